"""An Airflow in which not everybody may see everything, and a program that asks its web server as one or the other."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any

import httpx
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager  # noqa: TID253 - a program
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: TID253 - a program

ONE_DAG = "tab_taker"
"""The only DAG that `few` and `one` may see."""

SEEN: Mapping[str, frozenset[str | None]] = {"few": frozenset({None, ONE_DAG}), "one": frozenset({ONE_DAG})}
"""What those may ask about who may not ask about everything; None is DAGs in general."""

ROLES = {"everything": "viewer", "few": "viewer", "one": "viewer", "nothing": ""}
PEOPLE = (
    ("nobody", "nothing"),
    ("everything", "header"),
    ("everything", "cookie"),
    ("everything", "post"),
    ("few", "header"),
    ("one", "header"),
    ("nothing", "cookie"),
)
"""Who asks, and how they show who they are: `nobody` shows nothing."""

PREFIX = "/behind/a/proxy"


class Rights(SimpleAuthManager):
    """
    Lets `few` see one DAG, and `nothing` see none; `one` sees the same one, and may nothing that is not about a DAG.

    Attributes:
        asked: what of which DAG somebody wanted to see, None for a DAG itself and for DAGs in general.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own
        self.asked: list[tuple[str | None, str | None]] = []

    def is_authorized_dag(self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None) -> bool:
        """Tell whether *user* may see a DAG, or DAGs in general."""
        dag_id = None if details is None else details.id
        self.asked.append((None if access_entity is None else access_entity.name, dag_id))
        if dag_id not in SEEN.get(user.username, {dag_id}):
            return False
        allowed: bool = super().is_authorized_dag(
            method=method, user=user, access_entity=access_entity, details=details
        )
        return allowed


def main() -> None:
    """
    Ask for every route that there is, as everybody, and write what the server says.

    Standard input has what to fill into the routes, what to ask each of them, and more paths to ask for.
    """
    from airflow.api_fastapi.app import create_app, get_auth_manager

    given = json.load(sys.stdin)
    app = create_app("core")
    mounted: Any = next(route for route in app.routes if getattr(route, "path", "") == "/runpin")
    routes = {f"/runpin{each.path.format(**given['known'])}?{given['query']}": each for each in mounted.app.routes}
    tokens = {name: token(get_auth_manager(), name) for name in ROLES}
    told = asyncio.run(ask_all(app, tokens, [*routes, *given["more"]], routes))
    methods = [sorted(each.methods) for each in routes.values()]
    # Airflow writes to standard output as well.
    sys.stdout.write(f"\nANSWER {json.dumps({'methods': methods, 'told': told})}\n")


def person(name: str) -> SimpleAuthManagerUser:
    """Return who goes by *name*."""
    return SimpleAuthManagerUser(username=name, role=ROLES[name], teams=[])


def token(manager: Any, name: str) -> str:
    """Return what lets *name* in."""
    found: str = manager.generate_jwt(person(name))
    return found


async def ask_all(app: Any, tokens: Mapping[str, str], paths: Sequence[str], routes: Collection[str]) -> list[Any]:
    """Return what the server says to everybody about each path."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=60) as client:
        return [
            {"route": path in routes, "path": path, "who": who, "by": by, **await ask(client, tokens, path, who, by)}
            for path, (who, by) in product(paths, PEOPLE)
        ]


async def ask(client: httpx.AsyncClient, tokens: Mapping[str, str], path: str, who: str, by: str) -> dict[str, Any]:
    """Return what the server says; *by* is how *who* shows a token, `post` is a cookie with another method."""
    headers = {"Authorization": f"Bearer {tokens[who]}"} if by == "header" else {}
    if by in {"cookie", "post"}:
        headers["Cookie"] = f"_token={tokens[who]}"
    answer = await client.request("POST" if by == "post" else "GET", f"{PREFIX}{path}", headers=headers)
    return {"status": answer.status_code, "headers": dict(answer.headers), "body": answer.text}


if __name__ == "__main__":
    main()
