"""An Airflow in which not everybody may see everything, and a program that asks its web server as one or the other."""

from __future__ import annotations

import json
import sys
from itertools import product
from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager  # noqa: TID253 - a program
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: TID253 - a program

ONE_DAG = "tab_taker"
"""The only DAG that `few` may see."""

ROLES = {"everything": "viewer", "few": "viewer", "nothing": ""}
PEOPLE = (
    ("nobody", "nothing"),
    ("everything", "header"),
    ("everything", "cookie"),
    ("everything", "post"),
    ("few", "header"),
    ("nothing", "cookie"),
)
"""Who asks, and how they show who they are: `nobody` shows nothing."""

PREFIX = "/behind/a/proxy"


class Rights(SimpleAuthManager):
    """Lets `few` see one DAG, and `nothing` see none."""

    def is_authorized_dag(self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None) -> bool:
        """Tell whether *user* may see a DAG, or DAGs in general."""
        if user.username == "few" and details is not None and details.id not in {None, ONE_DAG}:
            return False
        allowed: bool = super().is_authorized_dag(
            method=method, user=user, access_entity=access_entity, details=details
        )
        return allowed


def environment() -> dict[str, str]:
    """Return the variables that make another Airflow's web server this one."""
    return {
        "AIRFLOW__CORE__AUTH_MANAGER": "tab_rights.Rights",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "everything:viewer",
        "AIRFLOW__API__BASE_URL": f"http://testserver{PREFIX}",
    }


def main() -> None:
    """
    Ask for every route that there is, as everybody, and write what the server says.

    Standard input has what to fill into the routes, what to ask each of them, and more paths to ask for.
    """
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from fastapi.testclient import TestClient

    given = json.load(sys.stdin)
    app = create_app("core")
    mounted: Any = next(route for route in app.routes if getattr(route, "path", "") == "/runpin")
    routes = {f"/runpin{each.path.format(**given['known'])}?{given['query']}": each for each in mounted.app.routes}
    client = TestClient(app, base_url="http://testserver", raise_server_exceptions=False)
    tokens = {name: token(get_auth_manager(), name) for name in ROLES}
    told = [
        {"route": path in routes, "path": path, "who": who, "by": by, **ask(client, tokens, path, who, by)}
        for path, (who, by) in product([*routes, *given["more"]], PEOPLE)
    ]
    methods = [sorted(each.methods) for each in routes.values()]
    # Airflow writes to standard output as well.
    sys.stdout.write(f"\nANSWER {json.dumps({'methods': methods, 'told': told})}\n")


def token(manager: Any, name: str) -> str:
    """Return what lets *name* in."""
    found: str = manager.generate_jwt(SimpleAuthManagerUser(username=name, role=ROLES[name], teams=[]))
    return found


def ask(client: Any, tokens: dict[str, str], path: str, who: str, by: str) -> dict[str, Any]:
    """Return what the server says; *by* is how *who* shows a token, `post` is a cookie with another method."""
    client.cookies.clear()
    if by in {"cookie", "post"}:
        client.cookies.set("_token", tokens[who])
    headers = {"Authorization": f"Bearer {tokens[who]}"} if by == "header" else {}
    answer = client.request("POST" if by == "post" else "GET", f"{PREFIX}{path}", headers=headers)
    return {"status": answer.status_code, "headers": dict(answer.headers), "body": answer.text}


if __name__ == "__main__":
    main()
