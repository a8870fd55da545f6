"""
The vendor's clients over connections whose every wait ends with our call.

Their own limit is 60 seconds for each piece that arrives, which is no limit in all. botocore lets whoever listens to
`before-send` answer a signed request in the place of its own connections; ours do.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpin.aws_appconfig.identity import Identity
from runpin.errors import SettingsError

if TYPE_CHECKING:
    from runpin.aws_appconfig.address import Address
    from runpin.deadlines.timing import Timer


@dataclass(frozen=True, slots=True)
class Clients:
    """
    The two clients of the service, and the connections below them.

    Attributes:
        control: boto3's client of `appconfig`: versions and deployments.
        data: boto3's client of `appconfigdata`: what readers see.
        connections: a pool of urllib3.
    """

    control: Any
    data: Any
    connections: Any


def clients_of(address: Address, timer: Timer) -> Clients:
    """
    Return the vendor's clients for *address*, which have not contacted anybody yet.

    Raises:
        SettingsError: boto3 is not installed or too old, or a file or section that the URL names is not there.
    """
    try:
        import boto3  # type: ignore[import-untyped] # it ships no types
    except ImportError as missing:
        fix = "pip install 'runpin[appconfig]'"
        raise SettingsError("the client for AWS is not installed", where="mirror", fix=fix) from missing

    connections = _connections(address, timer)
    session = boto3.Session(botocore_session=_session(address, timer), region_name=address.region)
    control, data = (_client(session, name, address, connections) for name in ("appconfig", "appconfigdata"))
    started = control.meta.service_model.operation_model("StartDeployment").input_shape
    if "LatestDeploymentNumber" not in started.members:
        fix = "upgrade boto3"
        raise SettingsError("boto3 is too old: it cannot start a deployment on a condition", where="mirror", fix=fix)
    return Clients(control, data, connections)


def _session(address: Address, timer: Timer) -> Any:
    from botocore.credentials import create_credential_resolver  # type: ignore[import-untyped] # it ships no types
    from botocore.exceptions import ProfileNotFound  # type: ignore[import-untyped] # it ships no types
    from botocore.session import Session  # type: ignore[import-untyped] # it ships no types

    session = Session(profile=address.profile)
    try:
        session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
        resolver = create_credential_resolver(session, region_name=address.region)
    except ProfileNotFound as error:
        fix = "correct profile= in the URL or AWS_PROFILE"
        raise SettingsError("there is no such profile in the AWS files", where="mirror", fix=fix) from error
    session.register_component("credential_provider", _Provider(Identity(resolver.load_credentials, timer)))
    return session


@cache
def _loader(places: str | None) -> Any:
    """Return what reads the service models, once for all sessions of this process: it takes longer than a request."""
    from botocore.loaders import create_loader  # type: ignore[import-untyped] # it ships no types

    return create_loader(places)


@dataclass(frozen=True, slots=True)
class _Provider:
    identity: Identity

    def load_credentials(self) -> Identity:
        return self.identity


def _client(session: Any, name: str, address: Address, connections: Any) -> Any:
    from botocore.config import Config  # type: ignore[import-untyped] # it ships no types

    # One attempt at a time: repeating within the deadline is ours.
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"}, parameter_validation=True)
    client = session.client(name, endpoint_url=address.endpoint, config=config)
    client.meta.events.register("before-send", lambda request, **_: _answer(request, connections))
    return client


def _connections(address: Address, timer: Timer) -> Any:
    from botocore.httpsession import get_cert_path  # type: ignore[import-untyped] # it ships no types
    from urllib3 import PoolManager

    from runpin.deadlines.pools import pools

    if address.ca is not None and not Path(address.ca).is_file():
        raise SettingsError("there is no such file of authorities", where="mirror", fix="correct its ca=")
    # Neither a proxy of this host nor a redirect.
    connections = PoolManager(maxsize=8, cert_reqs="CERT_REQUIRED", ca_certs=address.ca or get_cert_path(verify=True))
    connections.pool_classes_by_scheme = pools(timer)
    return connections


def _answer(request: Any, connections: Any) -> Any:
    from botocore.awsrequest import AWSResponse  # type: ignore[import-untyped] # it ships no types

    answer = connections.urlopen(
        request.method,
        request.url,
        body=request.body,
        headers=request.headers,
        retries=False,
        redirect=False,
        assert_same_host=False,
        decode_content=False,
    )
    return AWSResponse(request.url, answer.status, answer.headers, _Body(answer.data))


class _Body(io.BytesIO):
    """An answer that was read whole, as botocore reads one."""

    def stream(self) -> Iterator[bytes]:
        """Yield all of it."""
        yield self.read()
