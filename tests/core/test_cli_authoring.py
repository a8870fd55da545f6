"""`init`, `validate` and `explain`: from an empty folder to configuration that may be published."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import ETL, PROD, CommandLine

TENANTS = b"""\
format = 1
environments = ["dev", "prod"]
tenants = ["acme"]

[applications.payments]
documents = ["payments/*.yaml"]
"""


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with the sample repository."""
    made = CommandLine(tmp_path)
    made.start()
    return made


def test_the_sample_is_a_clean_commit_on_main(tmp_path: Path) -> None:
    """What `init` leaves can be cloned, pushed and published as it is."""
    cli = CommandLine(tmp_path)
    cli.ok("init", cli.config)

    assert ("main", "") == (cli.git("branch", "--show-current"), cli.git("status", "--porcelain"))
    assert {"README.md", "runpin.toml", ETL, PROD} < set(cli.git("ls-files").splitlines())


def test_the_sample_is_valid_and_can_be_published(cli: CommandLine) -> None:
    """The two commands that `init` names work, to the letter."""
    commands = CommandLine(cli.folder / "second").ok("init", cli.folder / "second" / "config", "--json").json["next"]
    answers = [cli.process(*command.split()[1:]) for command in commands]

    assert [0, 0] == [answer.code for answer in answers], answers
    assert "Valid." in answers[0].out
    assert "Published to stable of dev" in answers[1].out


def test_init_works_where_git_knows_nobody(tmp_path: Path) -> None:
    """In a fresh container the commit is made in the name of runpin."""
    cli = CommandLine(tmp_path)
    settings = {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig")}
    (tmp_path / "gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    answer = cli.process("init", "config", **settings)

    assert (0, "") == (answer.code, answer.err)
    assert "runpin <runpin@localhost>" == cli.git("log", "-1", "--format=%an <%ae>")


def test_init_runs_no_hook_and_asks_for_no_signature(tmp_path: Path) -> None:
    """What a user has set up for commits of their own does not get in the way of a sample."""
    cli = CommandLine(tmp_path)
    template = tmp_path / "template" / "hooks"
    template.mkdir(parents=True)
    (template / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (template / "pre-commit").chmod(0o755)
    (tmp_path / "gitconfig").write_text(
        f"[user]\n\tname = Eve\n\temail = eve@example.org\n[commit]\n\tgpgsign = true\n"
        f"[gpg]\n\tprogram = /nowhere\n[init]\n\ttemplateDir = {tmp_path / 'template'}\n"
    )
    answer = cli.process("init", "config", GIT_CONFIG_GLOBAL=str(tmp_path / "gitconfig"))

    assert (0, "") == (answer.code, answer.err)
    assert "Eve" == cli.git("log", "-1", "--format=%an")


def test_init_inside_of_a_hook_leaves_the_outer_repository_alone(cli: CommandLine) -> None:
    """Git's variables of another repository do not lead astray."""
    before = cli.git("rev-parse", "HEAD")
    variables = {"GIT_DIR": str(cli.config / ".git"), "GIT_WORK_TREE": str(cli.config)}
    answer = cli.process("init", "inner", **variables)

    assert (0, "") == (answer.code, answer.err)
    assert before == cli.git("rev-parse", "HEAD")
    assert (cli.folder / "inner" / ".git").is_dir()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_init_refuses_what_is_taken(tmp_path: Path, kind: str) -> None:
    """Nothing that is there is written over."""
    cli = CommandLine(tmp_path)
    cli.write("notes.txt", "mine")
    target = cli.config if kind == "folder" else cli.config / "notes.txt"
    answer = cli.run("init", target)

    assert (4, "") == (answer.code, answer.out)
    assert "error: the folder is not empty" in answer.err
    assert ["notes.txt"] == [path.name for path in cli.config.iterdir()]


def test_init_says_why_it_cannot_write(tmp_path: Path) -> None:
    """A parent that is no folder is an error with its place, not a traceback."""
    (tmp_path / "file").write_text("")
    answer = CommandLine(tmp_path).run("init", tmp_path / "file" / "config")

    assert 6 == answer.code
    assert "cannot be" in answer.err


def test_init_writes_into_the_current_folder(tmp_path: Path) -> None:
    """Without a folder it is the one we are in, and the next commands need no option."""
    cli = CommandLine(tmp_path / "here")
    cli.folder.mkdir()
    answer = cli.process("init", RUNPIN_HOME=str(tmp_path / "home"))

    assert (0, "") == (answer.code, answer.err)
    assert answer.out.endswith("Next:\n  runpin validate\n  runpin publish --environment dev\n")


def test_validate_reads_the_files_as_they_are(cli: CommandLine) -> None:
    """A mistake is found before it is committed, and a commit can be checked all the same."""
    cli.write(PROD, "batch_size: 20000\n")
    files = cli.run("validate", "-r", cli.config)
    commit = cli.run("validate", "-r", cli.config, "--ref", "main")

    assert (1, 0) == (files.code, commit.code)
    assert "must be at most 10000" in files.out
    assert "Commit " in commit.out


def test_validate_says_where_a_mistake_is(cli: CommandLine) -> None:
    """File, line and key; the environments below the one finding they share; and no value."""
    cli.write(ETL, "currency: EUR\nbatch_size: 987654\n")
    cli.write(PROD, "retries: {limit: 1}\n")
    (finding,) = cli.run("validate", "-r", cli.config, "--json").json["findings"]
    text = cli.run("validate", "-r", cli.config)

    assert (f"{ETL}:2", "etl#/batch_size") == (finding["where"], finding["key"])
    assert ["dev", "prod"] == finding["environments"]
    assert "in:    dev, prod" in text.out
    assert "987654" not in text.out + text.err


def test_validate_checks_only_the_environments_it_is_told(cli: CommandLine) -> None:
    """A mistake in prod does not stop dev."""
    cli.write(PROD, "batch_size: 20000\n")
    codes = [cli.run("validate", "-r", cli.config, "-e", name).code for name in ("dev", "prod")]

    assert [0, 1] == codes


@pytest.mark.parametrize(
    ("path", "text", "rule", "where"),
    [
        pytest.param(ETL, "batch_size: 1\nbatch_size: 2\n", "ParseError", f"{ETL}:2", id="duplicate key"),
        pytest.param(ETL, b"currency: \xff\xfe\n", "ParseError", f"{ETL}:1", id="not UTF-8"),
        pytest.param(ETL, "a: !!python/object:os.system {}\n", "ParseError", f"{ETL}:1", id="unsafe tag"),
        pytest.param("runpin.toml", "format = 1\n", "ManifestError", "runpin.toml", id="empty manifest"),
        pytest.param("runpin.toml", "format = \n", "ParseError", "runpin.toml:1", id="broken manifest"),
        pytest.param(
            "environments/prod/other.yaml", "a: 1\n", "OverlayError", "environments/prod/other.yaml", id="overlay"
        ),
    ],
)
def test_what_cannot_be_read_is_a_finding(
    cli: CommandLine, path: str, text: str | bytes, rule: str, where: str
) -> None:
    """Broken files are told like broken values, and end with the same code."""
    cli.write(path, text)
    answer = cli.run("validate", "-r", cli.config, "--json")

    assert (1, "") == (answer.code, answer.err)
    assert [rule] == [finding["rule"] for finding in answer.json["findings"]]
    assert answer.json["findings"][0]["where"].startswith(where)


def test_a_missing_manifest_is_a_finding(cli: CommandLine) -> None:
    """The message says how to get one."""
    (cli.config / "runpin.toml").unlink()
    answer = cli.run("validate", "-r", cli.config)

    assert 1 == answer.code
    assert "the repository has no manifest" in answer.out
    assert "runpin init" in answer.out


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        pytest.param(["-e", "nope"], 3, "no environment is named 'nope'", id="environment"),
        pytest.param(["--ref", "nope"], 6, "no branch or tag 'nope'", id="branch"),
        pytest.param(["--ref", "0" * 40], 6, "no commit 0000", id="commit"),
        pytest.param(["--ref", "--upload-pack=x"], 6, "not usable as a branch", id="option as a branch"),
        pytest.param(["--ref"], 2, "requires an argument", id="usage"),
    ],
)
def test_validate_says_what_it_does_not_know(cli: CommandLine, arguments: list[str], code: int, what: str) -> None:
    """Names that lead nowhere have the code of their kind."""
    answer = cli.run("validate", "-r", cli.config, *arguments)

    assert code == answer.code
    assert what in answer.err


def test_a_folder_that_is_not_there(cli: CommandLine) -> None:
    """A repository that cannot be read has code 6."""
    answer = cli.run("validate", "-r", cli.folder / "nowhere")

    assert 6 == answer.code


def test_a_bare_repository_is_read_at_its_newest_commit(cli: CommandLine) -> None:
    """There is no working tree, so the branch counts."""
    cli.git("clone", "--quiet", "--bare", ".", str(cli.folder / "bare.git"))
    answer = cli.ok("validate", "-r", cli.folder / "bare.git", "--json").json

    assert answer["commit"]["reproducible"]


def test_commands_work_from_below_the_root(cli: CommandLine) -> None:
    """Like git, from any folder of the repository."""
    cli.folder = cli.config / "environments" / "prod"
    answer = cli.process("validate", "--json")

    assert (0, str(cli.config)) == (answer.code, answer.json["commit"]["repository"])


def test_the_setting_names_the_repository(cli: CommandLine) -> None:
    """RUNPIN_REPOSITORY stands in for the option."""
    cli.variables["RUNPIN_REPOSITORY"] = str(cli.config)

    assert cli.ok("validate", "--json").json["valid"]


@pytest.mark.parametrize(
    ("environment", "tenant", "value", "origin", "layer"),
    [
        ("dev", None, 500, (ETL, 2), "base"),
        ("prod", None, 2000, (PROD, 2), "environment"),
        ("prod", "acme", 7, ("tenants/acme/payments/etl.yaml", 1), "tenant"),
    ],
)
def test_explain_says_which_layer_won(
    cli: CommandLine, environment: str, tenant: str | None, value: int, origin: tuple[str, int], layer: str
) -> None:
    """Base, then environment, then tenant."""
    cli.write("runpin.toml", TENANTS)
    cli.write("tenants/acme/payments/etl.yaml", "batch_size: 7\n")
    chosen = ["-t", tenant] if tenant else []
    answer = cli.ok("explain", "payments.etl.batch_size", "-e", environment, *chosen, "-r", cli.config, "--json").json

    assert (value, layer) == (answer["value"], answer["layer"])
    assert origin == (answer["origin"]["file"], answer["origin"]["line"])


@pytest.mark.parametrize(
    ("key", "pointer", "value"),
    [
        ("payments.etl.retries.limit", "/retries/limit", 3),
        ("payments/etl.retries.limit", "/retries/limit", 3),
        ("payments.etl#/retries/limit", "/retries/limit", 3),
        ("payments/etl#/a.b~1c/1", "/a.b~1c/1", "y"),
        ("payments.etl.list.0", "/list/0", "x"),
    ],
)
def test_the_forms_of_a_key(cli: CommandLine, key: str, pointer: str, value: object) -> None:
    """With dots, or as a JSON pointer where a key itself holds a dot."""
    cli.write("runpin.toml", TENANTS)
    cli.write(ETL, 'retries: {limit: 3}\n"a.b/c": [x, y]\nlist: [x]\n')
    (cli.config / PROD).unlink()
    answer = cli.ok("explain", key, "-r", cli.config, "--json").json

    assert (pointer, value) == (answer["pointer"], answer["value"])


def test_explain_lists_what_is_inside_of_a_mapping(cli: CommandLine) -> None:
    """Each value below has its own line and layer."""
    answer = cli.ok("explain", "payments.etl.retries", "-e", "prod", "-r", cli.config)

    assert "/retries/limit          5       environments/prod/payments/etl.yaml:4   environment" in answer.out
    assert "/retries/wait_seconds   30      payments/etl.yaml:7                     base" in answer.out


def test_explain_reads_a_commit(cli: CommandLine) -> None:
    """With --ref it is the commit, whatever the files say by now."""
    cli.write(ETL, "batch_size: 1\ncurrency: EUR\n")
    answer = cli.ok("explain", "payments.etl.batch_size", "-r", cli.config, "--ref", "main", "--json").json

    assert (500, cli.git("rev-parse", "main")) == (answer["value"], answer["commit"]["sha"])


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        pytest.param(["payments.etl.batch_siz"], "did you mean 'batch_size'?", id="key"),
        pytest.param(["payments.etll"], "did you mean 'etl'?", id="document"),
        pytest.param(["paymets.etl"], "did you mean 'payments'?", id="application"),
        pytest.param(["payments.etl", "-e", "prd"], "did you mean 'prod'?", id="environment"),
        pytest.param(["payments.etl", "-t", "acme"], "none is known here", id="tenant"),
        pytest.param(["payments"], "payments.etl.batch_size", id="no document"),
        pytest.param(["payments.etl", "-e", "PROD"], "use lower-case letters", id="not a name"),
    ],
)
def test_explain_helps_over_a_typing_error(cli: CommandLine, arguments: list[str], hint: str) -> None:
    """What is not known ends with 3 and the nearest name."""
    answer = cli.run("explain", *arguments, "-r", cli.config)

    assert (3, "") == (answer.code, answer.out)
    assert hint in answer.err
