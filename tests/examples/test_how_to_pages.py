"""Every page of docs/how-to is followed: those about stores here, block by block, the others by the test named here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_classes import airflow_home
from appconfig_double_server import serving as serving_appconfig
from appconfig_stage import VARIABLES
from azure_double_server import serving as serving_azure
from command_line import ROOT, CommandLine
from etcd_server import EtcdServer, etcd_of
from page_following import HOW_TO, Reader, Step, pattern, steps

__all__ = ["airflow_home"]

FOLLOWED = {"aws-appconfig.md", "azure-app-configuration.md", "etcd.md", "postgresql.md", "several-stores.md"}
"""The pages that this module follows."""

ELSEWHERE = {
    "continuous-integration.md": "tests/core/test_cli_validate_ci.py",
    "dagster.md": "tests/examples/test_dagster_pages.py",
    "flags.md": "tests/core/test_flags.py",
    "policies.md": "tests/core/test_policy_page.py",
    "releasing-from-a-dag.md": "tests/airflow_plugin/test_releasing_operators.py",
    "safe-points.md": "tests/airflow_plugin/test_airflow_safe_points.py",
    "schemas.md": "tests/core/test_protobuf_schemas.py",
}
"""The pages that another test reads, and which one."""

PARTLY = {
    *("airflow.md", "changes.md", "config-tab.md", "impact.md", "inheritance.md", "outages.md", "overrides.md"),
    *("reruns.md", "telemetry.md"),
}
"""The pages whose lines of code are no program, and are not executed as they stand there."""

SERVES = ("runpin publish -e prod", "runpin channel show payments -e prod --json")
"""What the store that a page sets up has to be good for."""


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """Return a home without anything in it, and the sample as the config repository."""
    made = CommandLine(tmp_path)
    made.home.mkdir()
    made.start()
    return made


def serves(printed: list[str]) -> None:
    """Check what SERVES printed: what was published, by the page or after it, is where the channel stands."""
    published, shown = printed

    assert re.search("(Published to|Nothing moves:) stable of prod", published)
    assert json.loads(shown)["snapshot"] in published


def test_every_page_is_named() -> None:
    """Whoever adds a page says here how it is followed, and a test that reads one names it."""
    assert {page.name for page in HOW_TO.glob("*.md")} == FOLLOWED | ELSEWHERE.keys() | PARTLY
    for page, test in ELSEWHERE.items():
        assert page in (ROOT / test).read_text(encoding="utf-8")
    for page in FOLLOWED:
        assert f'"{page}"' in Path(__file__).read_text(encoding="utf-8").partition("def test_every_page")[2]


def test_postgresql(line: CommandLine, empty_postgres_url: str, postgres_programs: Path) -> None:
    """A database without tables becomes the store, its roles are made, and a publisher serves it over two hosts."""
    server = empty_postgres_url.partition("@")[2].partition("/")[0]
    name = empty_postgres_url.rpartition("/")[2]
    instead = {
        "postgresql://admin:secret@db.example.com/runpin": empty_postgres_url,
        "db-1.example.com:5432,db-2.example.com:5432/runpin": f"{server},{server}/{name}",
    }
    runner = f"postgresql://airflow@{server}/{name}"
    *printed, refused = Reader(line, instead, folders=[postgres_programs]).follow(
        "postgresql.md", *SERVES, f"! RUNPIN_STORE={runner} runpin publish -e prod"
    )
    serves(printed)

    assert "role publisher" in refused


@pytest.fixture
def etcd(etcd_program: Path) -> Iterator[EtcdServer]:
    """Return a member of its own, because the page makes roles."""
    with etcd_of(etcd_program, 1) as server:
        yield server


@pytest.mark.etcd
def test_etcd(line: CommandLine, etcd: EtcdServer) -> None:
    """One member stands in for the three; the roles are made with etcd's own program."""
    member = f"127.0.0.1:{etcd.members[0].port}"
    instead = {"etcd-1:2379,etcd-2:2379,etcd-3:2379": member}
    variables = {"ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": member}
    serves(Reader(line, instead, variables, folders=[etcd.program.parent]).follow("etcd.md", *SERVES))


def test_azure_app_configuration(line: CommandLine, postgres_url: str) -> None:
    """At the double, which takes an access key in the place of an identity of Entra."""
    with serving_azure() as server:
        instead = {
            "NAME.azconfig.io/runpin'": f"{server.host}/runpin?auth=connection-string'",
            "NAME.azconfig.io/runpin?": f"{server.host}/runpin?auth=connection-string&",
            "postgresql://user:password@host:5432/database": postgres_url,
        }
        variables = {"RUNPIN_STORE_CONNECTION_STRING": server.connection_string}
        # The page itself publishes, and reads that with Microsoft's provider.
        (shown,) = Reader(line, instead, variables).follow("azure-app-configuration.md", SERVES[1])

    assert json.loads(shown)["snapshot"].startswith("payments.prod.v1.")


@pytest.mark.etcd
def test_several_stores(line: CommandLine, postgres_url: str, etcd_url: str, tmp_path: Path) -> None:
    """A database decides; an etcd and a file follow it, and serve the same as stores of their own."""
    copy = f"{tmp_path}/copy.db"
    instead = {
        "postgresql://user:password@db.example.com/runpin": postgres_url,
        "etcd://etcd-1:2379,etcd-2:2379/runpin": etcd_url,
        "/srv/copy/runpin.db": copy,
    }
    shown = "runpin channel show payments -e prod --json"
    places = ("", f"RUNPIN_MIRRORS= RUNPIN_STORE={etcd_url} ", f"RUNPIN_MIRRORS= RUNPIN_STORE=sqlite:///{copy} ")
    told = Reader(line, instead).follow("several-stores.md", *(f"{place}{shown}" for place in places))

    assert len({json.dumps(json.loads(each)) for each in told}) == 1


def test_aws_appconfig(line: CommandLine) -> None:
    """At the double, with boto3 in the place of the program `aws`; the account is made, and serves the channel."""
    with serving_appconfig() as server:
        variables = {**VARIABLES, "AWS_ENDPOINT_URL": server.endpoint, "AWS_DEFAULT_REGION": "eu-west-1"}
        policies = {"json": "tests/core/test_appconfig_policies.py"}
        instead = {"aws-appconfig://eu-west-1": server.url}
        reader = Reader(line, instead, variables, ("pip", "aws"), elsewhere=policies)
        (live,) = reader.follow("aws-appconfig.md", "runpin mirror show payments --environment prod --live --json")

    assert [each["standing"] for each in json.loads(live)["mirrors"]] == ["in step"]


@pytest.mark.usefixtures("airflow_home")
def test_the_connection_on_airflows_page() -> None:
    """Airflow reads the variable, and its fields are the form's."""
    from airflow.sdk import Connection

    from airflow_provider_runpin.connection import FIELDS, settings_in

    page = (HOW_TO / "airflow.md").read_text(encoding="utf-8")
    ((name, text),) = re.findall(r"^AIRFLOW_CONN_(\w+)=(.*)$", page, re.MULTILINE)
    settings = settings_in(Connection.from_json(text, conn_id=name.lower()))
    (table,) = re.findall(r"^\| field of the extra .*\n\|.*\n((?:\|.*\n)+)", page, re.MULTILINE)

    assert {"store": "etcd://etcd-1:2379/runpin", "environment": "prod", "channel": "canary"} == settings
    assert {each.key for each in FIELDS} == set(re.findall(r"`([a-z_]+)`", table))


# What follows the pages


def test_a_block_is_commands_and_what_they_print() -> None:
    """Lines go on behind a backslash and after `>`; what a command prints stands below it."""
    assert [Step("a \\\n  b", ("c",)), Step("d <<E\ne\nE"), Step("f")] == steps(
        "$ a \\\n  b\nc\n$ d <<E\n> e\n> E\n$ f\n"
    )


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("```console\n$ false\n```\n", "false"),
        ("```console\n$ for each in 1 2; do test $each = 2; done\n```\n", "test $each"),
        ("```console\n$ echo one\ntwo\n```\n", "two\nis not in\none"),
        ("```jinja\n{{ x }}\n```\n", "nobody follows a block of jinja"),
        ("```\nx\n```\n", "nobody follows a block of nothing"),
        ('```console\n$ export IT=1\n```\n```console\n$ test -n "$IT" && false\n```\n', "&& false"),
        ("```console\n$ pip install 'runpin[nonsense]'\n```\n", "runpin has no extra nonsense"),
        ("```toml\nnonsense = 1\n```\n", "settings.toml"),
        ("```python\nraise ValueError('banana')\n```\n", "banana"),
    ],
)
def test_a_page_that_does_not_work_fails(
    line: CommandLine, page: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with it, the block and the reason are told."""
    (line.folder / "page.md").write_text(page)
    monkeypatch.setattr("page_following.HOW_TO", line.folder)
    with pytest.raises(AssertionError) as failed:
        Reader(line).follow("page.md")

    assert complaint in str(failed.value)


def test_a_stand_in_that_the_page_does_not_show_fails(line: CommandLine) -> None:
    """Otherwise a page that names another host would be followed there."""
    with pytest.raises(AssertionError, match=r"does not show nowhere\.example"):
        Reader(line, {"nowhere.example": "127.0.0.1"}).follow("etcd.md")


def test_what_a_page_shows_may_leave_something_out() -> None:
    """Ids and times differ each time."""
    assert re.search(pattern("payments.prod.v1...  at ..."), "is payments.prod.v1.3f9a at noon")
    assert not re.search(pattern("a ... c"), "a b d")
