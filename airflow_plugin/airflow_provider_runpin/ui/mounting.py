"""What the plugin registers with Airflow: the API as an application of its own, and the components of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_runpin.ui.files import static_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

PREFIX = "/runpin"
"""Where the API is, below Airflow's own base URL."""


class ConfigTabApp:
    """
    The API, which is built when it is asked for the first time.

    Every process of Airflow loads plugins, and only the API server answers requests: the others shall import nothing.
    """

    def __init__(self) -> None:
        self._built: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Every route there is."""
        return self._app.routes

    @property
    def _app(self) -> FastAPI:
        if self._built is None:
            from airflow_provider_runpin.ui.app import build

            self._built = build()
        return self._built


def fastapi_apps() -> list[dict[str, Any]]:
    """Return the applications that Airflow mounts."""
    return [{"app": ConfigTabApp(), "url_prefix": PREFIX, "name": "runpin"}]


def react_apps() -> list[dict[str, Any]]:
    """Return the components of Airflow's pages; `name` is what the reader sees, and each has its own `url_route`."""
    return [
        _component("Config", "run.js", "dag_run", "runpin-run"),
        _component("Config", "run.js", "task_instance", "runpin-task"),
        _component("Configuration", "nav.js", "nav", "runpin", category="browse"),
        _component("Configuration problems", "dashboard.js", "dashboard", "runpin-problems"),
    ]


def _component(name: str, file: str, destination: str, route: str, **more: Any) -> dict[str, Any]:
    # Without a slash in front: the browser resolves it against the base URL, which may have a prefix of its own.
    url = f"{PREFIX.removeprefix('/')}/static/{static_version()}/{file}"
    return {"name": name, "bundle_url": url, "destination": destination, "url_route": route, **more}
