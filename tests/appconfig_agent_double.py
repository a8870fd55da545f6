"""
A protocol double of the AppConfig Agent, on a port of the loopback interface: what AWS publishes about its answers.

It is not the Agent. It reads the double of AWS AppConfig by the rules for readers, keeps what it got, and goes on
serving that while the service is away. Backups, prefetching, variants of flags and other accounts are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from appconfig_double import Double
from appconfig_double_records import Refused
from appconfig_double_server import Fault, Handler, Http

_KINDS = ("applications", "environments", "configurations")
_MEMBERS = ("ApplicationIdentifier", "EnvironmentIdentifier", "ConfigurationProfileIdentifier")


class AgentDouble:
    """
    The Agent, listening.

    Attributes:
        token: what a request has to bear; None if nothing.
        is_cut_off: whether the service is away.
        faults: asked for every request by its path; what it returns happens instead of an answer.
        asked: the path of every request.
    """

    def __init__(self, double: Double) -> None:
        self.token: str | None = None
        self.is_cut_off = False
        self.faults: Callable[[str], Fault | None] = lambda _: None
        self.asked: list[str] = []
        self.released = Event()
        self._double = double
        self._lock = Lock()
        self._tokens: dict[tuple[str, ...], str] = {}
        self._kept: dict[tuple[str, ...], dict[str, Any]] = {}
        handler = type("AgentHandler", (_AgentHandler,), {"server_of_double": self})
        self._http = Http(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def served(self, names: tuple[str, ...], flags: list[str]) -> tuple[dict[str, str], bytes]:
        """Return the headers and the body of an answer."""
        with self._lock:
            if not self.is_cut_off:
                self._poll(names)
            kept = self._kept.get(names)
        if kept is None:
            raise Refused(502, "BadGatewayException")
        headers = {"Configuration-Version": kept["version"], "Content-Type": kept["ContentType"]}
        if kept["VersionLabel"]:
            headers["Version-Label"] = kept["VersionLabel"]
        return headers, _chosen(kept["Configuration"], flags)

    def close(self) -> None:
        """Let go of every connection that hangs, and stop."""
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _poll(self, names: tuple[str, ...]) -> None:
        token = self._tokens.pop(names, None)
        if token is None:
            begun = self._asked("start_configuration_session", dict(zip(_MEMBERS, names, strict=True)))
            token = begun["InitialConfigurationToken"]
        try:
            answer = self._asked("get_latest_configuration", {"ConfigurationToken": token})
        except Refused as refused:
            if refused.status == 400:
                # Too early: it serves what it has, and asks again with the same token.
                self._tokens[names] = token
                return
            raise
        self._tokens[names] = answer["NextPollConfigurationToken"]
        if answer["Configuration"]:
            number = next(
                each["VersionNumber"]
                for each in self._double.versions()
                if each["VersionLabel"] == answer["VersionLabel"]
            )
            self._kept[names] = {**answer, "version": str(number)}

    def _asked(self, name: str, members: Mapping[str, Any]) -> dict[str, Any]:
        carried_out = self._double.operation(name)
        assert carried_out is not None
        with self._double.lock:
            return carried_out(members)


@contextmanager
def agent_of(double: Double) -> Iterator[AgentDouble]:
    """Run the Agent of a host whose readers read *double*."""
    agent = AgentDouble(double)
    try:
        yield agent
    finally:
        agent.close()


class _AgentHandler(Handler):
    server_of_double: Any

    def _serve(self) -> None:
        target, agent = urlsplit(self.path), self.server_of_double
        agent.asked.append(target.path)
        fault = agent.faults(target.path)
        if fault is not None:
            return self.upset(fault, None, {})
        if agent.token is not None and self.headers.get("Authorization") != f"Bearer {agent.token}":
            return self.send(401, {}, b"canary: no token")
        parts = [unquote(each) for each in target.path.strip("/").split("/")]
        if tuple(parts[0::2]) != _KINDS or len(parts) != 6:
            return self.send(400, {}, b"canary: no such path")
        try:
            headers, body = agent.served(tuple(parts[1::2]), parse_qs(target.query).get("flag", []))
        except Refused as refused:
            return self.send(refused.status, {}, b"canary: " + refused.code.encode())
        return self.send(200, headers, body)

    do_GET = _serve  # noqa: N815 - the standard library's name


def _chosen(body: bytes, flags: list[str]) -> bytes:
    """Return what is asked of feature flags: all, one without its name, or several."""
    if not flags:
        return body
    values = json.loads(body)
    found = {name: values[name] for name in flags if name in values}
    if not found:
        raise Refused(404, "ResourceNotFoundException")
    return json.dumps(found if len(flags) > 1 else found[flags[0]]).encode()
