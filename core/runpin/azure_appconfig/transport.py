"""
The vendor's client over connections whose every wait ends with our call.

Its own limits are 300 seconds for each piece that arrives, which is no limit in all: a server that sends a byte now and
then would be waited for without end.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpin.errors import SettingsError

if TYPE_CHECKING:
    from azure.appconfiguration import AzureAppConfigurationClient

    from runpin.azure_appconfig.address import AccessKey, Address
    from runpin.deadlines.timing import Timer


def client_of(address: Address, key: AccessKey | None, timer: Timer) -> AzureAppConfigurationClient:
    """
    Return the vendor's client for *address*, which has not contacted anybody yet.

    Args:
        address: where the store is.
        key: an access key; None to ask Microsoft Entra ID for a token.
        timer: knows when the present call has to be over.

    Raises:
        SettingsError: the client is not installed, or the certificate file is not there.
    """
    try:
        from azure.appconfiguration import AzureAppConfigurationClient
        from azure.core.pipeline.transport import RequestsTransport
    except ImportError as missing:
        fix = "pip install 'runpin[azure]'"
        raise SettingsError("the client for Azure is not installed", where="store_url", fix=fix) from missing

    if address.ca is not None and not Path(address.ca).is_file():
        raise SettingsError("there is no such file of authorities", where="store_url", fix="correct its ca=")
    endpoint = key.endpoint if key else f"https://{address.host}"
    session = _session(endpoint, timer)
    transport = RequestsTransport(session=session, use_env_settings=False, connection_verify=address.ca or True)
    # One attempt at a time and no redirects: repeating within the deadline is ours.
    options: dict[str, Any] = {"transport": transport, "retry_total": 0, "permit_redirects": False}
    if key is None:
        from runpin.azure_appconfig.credentials import EntraCredential

        return AzureAppConfigurationClient(endpoint, EntraCredential(timer), **options)
    text = f"Endpoint={key.endpoint};Id={key.identity};Secret={key.secret}"
    return AzureAppConfigurationClient.from_connection_string(text, **options)


def _session(endpoint: str, timer: Timer) -> Any:
    import requests

    from runpin.deadlines.pools import pools

    session = requests.Session()
    # Neither a proxy nor a password file of this host.
    session.trust_env = False
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=32)
    adapter.poolmanager.pool_classes_by_scheme = pools(timer)
    # Nowhere but to this store, whatever an answer names as its next page.
    session.adapters.clear()
    session.mount(f"{endpoint}/", adapter)
    return session
