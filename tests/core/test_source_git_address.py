"""Which addresses git may be pointed at, and that a password in one never comes out again."""

from __future__ import annotations

import pickle
import shutil
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from git_origin import Origin, surround
from git_server import GitServer, make_certificate, serving
from runpin.errors import RunpinError, SourceError, UnsafeSource
from runpin.sources.address import address_of
from runpin.sources.git import GitSource

PASSWORD = "pl/nted p@ss:w%rd"  # noqa: S105 - planted, to be looked for
LOGIN = f"ci-robot-7:{PASSWORD}"

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the server's certificate needs openssl")


@pytest.fixture(autouse=True)
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that betrays a command run from the user's configuration."""
    return surround(monkeypatch, tmp_path / "home")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the server's key and certificate."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def server(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    """Return an https server for one repository, whose certificate git trusts."""
    Origin(tmp_path / "served" / "config.git").commit({"runpin.toml": b"format = 1\n"})
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate))
    with serving(tmp_path / "served", LOGIN, certificate) as server:
        yield server


def open_served(server: GitServer, tmp_path: Path, password: str = PASSWORD) -> GitSource:
    """Return a source for the served repository, with the password in the URL."""
    url = f"https://ci-robot-7:{quote(password, safe='')}@{server.place}/config.git"
    return GitSource(url, mirrors=tmp_path / "mirrors", timeout=20)


def told(source: GitSource) -> RunpinError:
    """Return the error that resolving raises; this frame, unlike those that made *source*, knows no password."""
    try:
        source.resolve("main")
    except RunpinError as error:
        return error
    raise AssertionError("nothing was raised")


def everything(error: BaseException) -> str:
    """Return all that anybody could print about *error*: text, repr, its causes and the locals of every frame."""
    printed = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    return "".join(printed) + str(error) + repr(error) + repr(vars(error)) + repr(pickle.dumps(error))


def leaks(text: str) -> list[str]:
    """Return the forms of the password that *text* holds."""
    return [form for form in (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe="")) if form in text]


def shown_by_processes() -> str:
    """Return the arguments and the environment of every process of this user."""
    shown = []
    for path in (*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")):
        with suppress(OSError):
            shown.append(path.read_bytes().decode("latin-1"))
    return "\n".join(shown)


@needs_openssl
def test_credentials_in_the_url_open_the_door(server: GitServer, tmp_path: Path) -> None:
    """User and password reach the server through git's credential protocol."""
    source = open_served(server, tmp_path)
    commit = source.resolve("main")

    assert source.read(commit, ["runpin.toml"]) == {"runpin.toml": b"format = 1\n"}
    assert commit.repository == f"https://{server.place}/config.git"


@needs_openssl
def test_a_credential_is_stored_and_shown_nowhere(server: GitServer, tmp_path: Path) -> None:
    """Neither the mirror nor anything that can be printed holds it."""
    source = open_served(server, tmp_path)
    commit = source.resolve("main")
    stored = b"".join(path.read_bytes() for path in (tmp_path / "mirrors").rglob("*") if path.is_file())

    assert leaks(repr(source) + repr(vars(source)) + repr(commit) + stored.decode("latin-1")) == []
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(source)


@needs_openssl
def test_no_process_shows_a_credential(server: GitServer, tmp_path: Path) -> None:
    """Arguments can be read by every user of the host, the environment by every process of this user."""
    looks: list[list[str]] = []
    server.at_each_request = lambda: looks.append(leaks(shown_by_processes()))
    open_served(server, tmp_path).resolve("main")

    assert len(looks) >= 3
    assert not any(looks)


@needs_openssl
def test_a_wrong_password_is_told_and_not_shown(server: GitServer, tmp_path: Path) -> None:
    """Even a traceback that prints local variables has nothing to print."""
    server.login = "ci-robot-7:changed"
    error = told(open_served(server, tmp_path))

    assert isinstance(error, SourceError)
    assert "Authentication failed" in error.what
    assert leaks(everything(error)) == []
    assert server.refused > 0


@needs_openssl
def test_a_missing_password_is_not_asked_for(server: GitServer, tmp_path: Path) -> None:
    """A terminal, or a window of an askpass program, would hang a daemon."""
    source = GitSource(f"https://{server.place}/config.git", mirrors=tmp_path / "mirrors")

    with pytest.raises(SourceError, match="could not read Username") as caught:
        source.resolve("main")
    assert "~/.netrc" in str(caught.value.fix)


@needs_openssl
def test_a_netrc_file_opens_the_door(server: GitServer, tmp_path: Path) -> None:
    """Who keeps passwords out of settings uses the file that curl reads."""
    simple = "simple-password"
    server.login = f"ci:{simple}"
    (tmp_path / "home" / ".netrc").write_text(f"machine 127.0.0.1 login ci password {simple}\n")
    source = GitSource(f"https://{server.place}/config.git", mirrors=tmp_path / "mirrors")

    assert source.resolve("main").message == "change"


@needs_openssl
def test_a_redirect_gets_no_password(server: GitServer, tmp_path: Path, certificate: Path) -> None:
    """The credential is for one host and port; who sends us elsewhere does not learn it, nor does the other place."""
    with serving(tmp_path / "served", "other:other", certificate) as other:
        server.redirect_to = f"https://{other.place}"
        error = told(open_served(server, tmp_path))

    assert other.refused == 0
    assert leaks(everything(error)) == []


@needs_openssl
def test_a_redirect_to_another_protocol_is_refused(server: GitServer, tmp_path: Path) -> None:
    """A server cannot make git speak anything but https."""
    server.redirect_to = "http://127.0.0.1:1"

    with pytest.raises(SourceError):
        open_served(server, tmp_path).resolve("main")


def test_an_unreachable_server_is_told_without_password(tmp_path: Path) -> None:
    """Git's own words are quoted, cut and cleaned."""
    url = f"https://someone:{quote(PASSWORD, safe='')}@127.0.0.1:1/config.git"
    error = told(GitSource(url, mirrors=tmp_path / "mirrors"))

    assert "127.0.0.1" in str(error)
    assert leaks(everything(error)) == []


def test_what_git_says_is_cleaned() -> None:
    """Passwords and tokens go in every spelling, other people's too; so do control characters in errors."""
    address = address_of(f"https://token-12345678:{quote(PASSWORD, safe='')}@example.org/x")
    said = f"{PASSWORD} {quote(PASSWORD, safe='')} token-12345678 via http://proxy:secret@proxy.example.org/"

    assert address.hidden_in(said) == "*** *** *** via http://***@proxy.example.org/"
    assert address.location == "https://example.org/x"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "-x",
        "--upload-pack=touch x",
        "ext::sh -c touch% x",
        "fd::17",
        "http://example.org/x",
        "ftp://user:planted@example.org/x",
        "git://example.org/x",
        "file://elsewhere/x",
        "https://user:planted@-oProxyCommand=x/y",
        "https://user:planted@example.org/x?y=1",
        "https://user:planted@example.org/x#y",
        "https://user:planted@example.org:99999/x",
        "https://user:planted@[::1/x",
        "https://user:planted@ex\u2100mple.org/x",
        "https://user:planted%0ahost=evil@example.org/x",
        "https://example.org/x\ny",
        "ssh://user:planted@example.org/x",
        "ssh://-oProxyCommand=x/y",
        "user:planted@example.org/x",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    """Other protocols, options in disguise and malformed URLs never reach git, and no error repeats a password."""
    with pytest.raises(UnsafeSource) as caught:
        address_of(address)

    assert "planted" not in str(caught.value)
    assert "planted" not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("address", "location", "protocol"),
    [
        ("https://example.org/a/b.git", "https://example.org/a/b.git", "https"),
        ("https://user:planted@example.org:8443/x", "https://example.org:8443/x", "https"),
        ("https://[::1]:8443/x", "https://[::1]:8443/x", "https"),
        ("ssh://git@example.org:22/x", "ssh://git@example.org:22/x", "ssh"),
        ("git@example.org:team/config.git", "git@example.org:team/config.git", "ssh"),
        ("/srv/config", "/srv/config", "file"),
        ("file:///srv/my%20config", "/srv/my config", "file"),
        ("file://localhost/srv/config", "/srv/config", "file"),
        ("~/config", "HOME/config", "file"),
        (".", "HERE", "file"),
    ],
)
def test_usual_addresses_are_read(address: str, location: str, protocol: str) -> None:
    """Git gets the place without the credentials, and one protocol it may speak."""
    found = address_of(address)
    expected = location.replace("HOME", str(Path("~").expanduser())).replace("HERE", str(Path.cwd()))

    assert (expected, protocol) == (found.location, found.protocol)
    assert "planted" not in repr(found)


def test_local_repositories_can_be_switched_off() -> None:
    """Where addresses come from people, the host's own folders are out of bounds."""
    with pytest.raises(UnsafeSource, match="switched off"):
        GitSource("/srv/config", allow_file=False)


def test_one_repository_has_one_mirror_whatever_the_password(tmp_path: Path) -> None:
    """A token that is renewed does not cost a new mirror, nor what it remembers."""
    addresses = ("https://a:1@example.org/x", "https://b:2@example.org/x", "https://example.org/x")

    assert len({address_of(address) for address in addresses}) == 1
    assert len({repr(GitSource(address, mirrors=tmp_path)) for address in addresses}) == 1
