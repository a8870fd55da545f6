"""The commands and settings of the private engine, each with the reason why it is not the default."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import socket
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

_PORTS = range(20_000, 32_000)
"""Below those that a system gives to whoever asks for any, who would get ours before an engine has come to use it."""

Component = Literal["api-server", "execution-api", "dag-processor", "scheduler", "triggerer"]


def commands(execution_port: int) -> Mapping[Component, tuple[str, ...]]:
    """
    Return what to pass to `airflow` for each component, in the order of starting them.

    The API server is split in two, the web and REST interface and the one that tasks talk to.
    In one process they lock each other out of a SQLite database: the audit log is written on the event loop, which
    waits for a task's transaction, whose commit waits for the event loop.
    """
    return {
        "api-server": ("api-server", "--apps", "core"),
        "execution-api": ("api-server", "--apps", "execution", "--port", str(execution_port)),
        "dag-processor": ("dag-processor",),
        # The API server shares the log folder; a second server for the same files would listen on every interface.
        "scheduler": ("scheduler", "--skip-serve-logs"),
        "triggerer": ("triggerer", "--skip-serve-logs"),
    }


def settings(home: Path, dags: Path, port: int, execution_port: int, database: str) -> dict[str, str]:
    """Return the variables that make Airflow private, quick to notice changes and small enough for two cores."""
    return {
        **_places(home, dags, database),
        **_doors(port, execution_port),
        **_pace(),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "6",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "PYTHONUNBUFFERED": "1",
        # Airflow renames its processes; this keeps their environment readable, by which we recognise them.
        "SPT_NOENV": "1",
    }


def free_ports(count: int) -> list[int]:
    """Return *count* ports of loopback that nobody uses now."""
    shuffled = secrets.SystemRandom().sample(_PORTS, len(_PORTS))
    return list(islice(filter(_is_free, shuffled), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _places(home: Path, dags: Path, database: str) -> dict[str, str]:
    # Airflow would look for asyncpg, which nothing here needs: psycopg speaks both ways under one name.
    asynchronous = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": database} if "+psycopg:" in database else {}
    return asynchronous | {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
    }


def _doors(port: int, execution_port: int) -> dict[str, str]:
    """Open two ports on loopback to everybody on this host, and nothing towards the internet."""
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{execution_port}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        # The default asks a name server for our own name.
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def _pace() -> dict[str, str]:
    """Look often for new files and runs, and seldom at files that did not change."""
    return {
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
        # A changed file is parsed at once all the same: its modification time tells.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        # Also how long a worker may sit idle behind a task that has ended.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # What a killed scheduler or task leaves behind is picked up in seconds, not minutes.
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    }
