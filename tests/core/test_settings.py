"""Settings: their order, their errors, and the page that documents them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runpin.errors import SettingsError
from runpin.settings import Settings, load_settings, where_set

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep the settings of whoever runs the tests out, and give them a home of their own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"RUNPIN_{name.upper()}", raising=False)
    monkeypatch.delenv("RUNPIN_SETTINGS_FILE", raising=False)
    monkeypatch.setenv("RUNPIN_HOME", str(tmp_path))
    return tmp_path


def test_everything_has_a_default(clean: Path) -> None:
    """A first try needs no setting; the embedded store lies in the home folder."""
    settings = load_settings()

    assert ("dev", f"sqlite:///{clean}/runpin.db") == (settings.environment, settings.store_url.get_secret_value())


def test_arguments_win_over_variables_and_variables_over_the_file(monkeypatch: pytest.MonkeyPatch, clean: Path) -> None:
    """The nearer a setting is to the call, the more it counts."""
    (clean / "settings.toml").write_text('environment = "file"\nbranch = "file"\ndeployment = "file"\n')
    monkeypatch.setenv("RUNPIN_ENVIRONMENT", "variable")
    monkeypatch.setenv("RUNPIN_BRANCH", "variable")
    settings = load_settings(environment="argument")

    assert ("argument", "variable", "file") == (settings.environment, settings.branch, settings.deployment)


def test_where_a_setting_comes_from_is_told(monkeypatch: pytest.MonkeyPatch, clean: Path) -> None:
    """`runpin doctor` shows where to change a setting."""
    (clean / "settings.toml").write_text('deployment = "file"\n')
    monkeypatch.setenv("RUNPIN_ENVIRONMENT", "prod")

    assert [
        "argument",
        "environment variable RUNPIN_ENVIRONMENT",
        f"{clean}/settings.toml",
        "default",
    ] == [
        where_set("tenant", {"tenant": "acme"}),
        where_set("environment"),
        where_set("deployment"),
        where_set("branch"),
    ]


def test_applications_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list in a variable needs no JSON."""
    monkeypatch.setenv("RUNPIN_APPLICATIONS", "payments, reports,")

    assert ("payments", "reports") == load_settings().applications


@pytest.mark.parametrize(
    "text",
    [
        "etcd://a:2379,b:2379/runpin sqlite:////mnt/copy.db",
        "etcd://a:2379,b:2379/runpin,sqlite:////mnt/copy.db",
        " etcd://a:2379,b:2379/runpin ,\n sqlite:////mnt/copy.db,",
    ],
)
def test_mirrors_are_separated_by_blanks(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A comma separates only where a scheme follows: it stands between the hosts of one URL, too."""
    monkeypatch.setenv("RUNPIN_MIRRORS", text)
    urls = [each.get_secret_value() for each in load_settings().mirrors]

    assert ["etcd://a:2379,b:2379/runpin", "sqlite:////mnt/copy.db"] == urls


def test_mirrors_are_a_list_in_the_file(clean: Path) -> None:
    """There an address may hold blanks; none is shown."""
    (clean / "settings.toml").write_text('mirrors = ["sqlite:////mnt/a copy.db", "etcd://u:hunter2@a:2379/runpin"]\n')
    settings = load_settings()

    assert settings.mirrors[0].get_secret_value() == "sqlite:////mnt/a copy.db"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "Prod"),
        ("TENANT", ".."),
        ("APPLICATIONS", "payments,Reports"),
        ("REFRESH_INTERVAL", "banana"),
        ("REFRESH_INTERVAL", "0"),
        ("PROPOSE", "perhaps"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The error says which setting, or which name, and where settings come from."""
    monkeypatch.setenv(f"RUNPIN_{name}", value)

    with pytest.raises(SettingsError, match=r"RUNPIN_\*"):
        load_settings()


@pytest.mark.parametrize("text", ["environment = ", 'enviroment = "prod"', "refresh_interval = []"])
def test_a_file_that_cannot_be_used_is_named(clean: Path, text: str) -> None:
    """Broken TOML, unknown keys and wrong types name the file."""
    (clean / "settings.toml").write_text(text)

    with pytest.raises(SettingsError, match=r"settings\.toml"):
        load_settings()


def test_a_secret_is_neither_shown_nor_repeated_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's URL holds a password."""
    monkeypatch.setenv("RUNPIN_STORE", "postgresql://runpin:hunter2@db/runpin")
    monkeypatch.setenv("RUNPIN_REFRESH_INTERVAL", "hunter2")

    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value) + repr(caught.value.__cause__)
    monkeypatch.delenv("RUNPIN_REFRESH_INTERVAL")
    assert "hunter2" not in repr(load_settings())


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_on_the_page(name: str) -> None:
    """The reference has each variable with its meaning."""
    assert f"| `RUNPIN_{name.upper()}` |" in PAGE.read_text()
    assert str(Settings.model_fields[name].description) in PAGE.read_text()
