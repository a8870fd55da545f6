"""A real https server for Git, which asks for a user and password."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


class GitServer(ThreadingHTTPServer):
    """Serves the repositories below *root* to those who know *login*, `user:password`; it keeps what it was asked."""

    daemon_threads = True

    def __init__(self, root: Path, login: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.login = login
        self.refused = 0
        self.redirect_to: str | None = None
        self.at_each_request: Callable[[], object] = lambda: None

    @property
    def place(self) -> str:
        """The server's host and port."""
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: GitServer
    # Git's TLS library wants a length, or takes the end of the connection for an attack.
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is http.server's
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer a fetch."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer through git's own CGI program."""
        self.server.at_each_request()
        expected = "Basic " + base64.b64encode(self.server.login.encode()).decode()
        if self.server.redirect_to:
            self._say(302, [("Location", self.server.redirect_to + self.path)])
        elif self.headers.get("Authorization") != expected:
            self.server.refused += "Authorization" in self.headers
            self._say(401, [("WWW-Authenticate", 'Basic realm="git"')])
        else:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _answer(self, body: bytes) -> None:
        url = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        command = ["git", "http-backend"]
        said = subprocess.run(command, input=body, env=environment, stdout=subprocess.PIPE, check=True).stdout
        head, _, content = said.partition(b"\r\n\r\n")
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in head.decode().split("\r\n"))]
        status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
        self._say(status, fields, content)

    def _say(self, status: int, fields: Sequence[tuple[str, str]], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (*fields, ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def make_certificate(folder: Path) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1, made by openssl."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    where = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *request.split(), *where], check=True, capture_output=True)
    certificate.write_bytes(key.read_bytes() + certificate.read_bytes())
    return certificate


@contextmanager
def serving(root: Path, login: str, certificate: Path) -> Iterator[GitServer]:
    """Serve until the block ends."""
    server = GitServer(root, login)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
