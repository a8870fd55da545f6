"""The manifest, the overlay folders, and the documents that come out of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from runpin.canonical import snapshot_of, thaw
from runpin.compiling import Repository, compile_environment, compile_scope, document_of, merge, read_repository
from runpin.errors import (
    InvalidConfig,
    ManifestError,
    OverlayError,
    ParseError,
    RunpinError,
    UnknownApplication,
    UnknownEnvironment,
    UnknownTenant,
)
from runpin.model import Commit, Document, Origin, Scope
from runpin.parsing import parse

COMMIT = Commit("c" * 40, "memory", "main", "somebody", "a change", datetime(2026, 1, 1, tzinfo=UTC))
MANIFEST = """format = 1
environments = ["dev", "prod"]
tenants = ["acme", "umbrella"]

[applications.payments]
documents = ["payments/*.yaml", "shared/limits.json"]
schemas = { etl = "schemas/etl.yaml" }
owner = "team-payments"

[applications.reports]
documents = ["reports/daily.toml", "shared/limits.json"]
"""
TREE = {
    "runpin.toml": MANIFEST,
    "README.md": "# not configuration\n",
    "payments/etl.yaml": "batch_size: 500\nsource: {kind: s3, path: in}\ntags: [a, b]\n",
    "payments/export.yaml": "enabled: true\n",
    "payments/notes.md": "not matched\n",
    "shared/limits.json": '{"rows": 1.0}',
    "reports/daily.toml": 'hour = 6\n[mail]\nto = "team"\n',
    "schemas/etl.yaml": "type: object\n",
    "environments/README.md": "What differs between environments.\n",
    "environments/dev/.gitkeep": "",
    "environments/prod/payments/etl.yaml": "# prod\nbatch_size: 5000\nsource: {path: null, bucket: big}\n",
    "environments/prod/shared/limits.json": '{"rows": 2}',
    "tenants/acme/payments/etl.yaml": "tags: [c]\nsource:\n  bucket: theirs\n",
}


class Tree:
    """A config repository in memory, which counts what is asked of it."""

    def __init__(self, files: Mapping[str, str], *, backwards: bool = False) -> None:
        self.files = files
        self.order = -1 if backwards else 1
        self.reads: list[tuple[str, ...]] = []

    def resolve(self, ref: str) -> Commit:
        """Return the only commit there is."""
        del ref
        return COMMIT

    def paths(self, commit: Commit) -> Sequence[str]:
        """Return every path, in the order asked for."""
        del commit
        return sorted(self.files)[:: self.order]

    def read(self, commit: Commit, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Return the files, in the order asked for."""
        del commit
        asked = tuple(paths)
        self.reads.append(asked)
        return {path: self.files[path].encode() for path in asked[:: self.order]}

    def descends(self, commit: Commit, ancestor: str) -> bool:
        """Tell whether the only commit is meant."""
        return commit.sha == ancestor


def repository(changes: Mapping[str, str | None] | None = None, manifest: str | None = None) -> Repository:
    """Read the tree above, with some files replaced or, where None, removed."""
    files: dict[str, str | None] = {**TREE, **(changes or {})}
    if manifest is not None:
        files["runpin.toml"] = manifest
    return read_repository(Tree({path: text for path, text in files.items() if text is not None}), COMMIT)


def values(documents: Iterable[Document]) -> dict[str, Any]:
    """Return what readers of the documents will see, by name."""
    return {document.name: thaw(document.body) for document in documents}


def refused(kind: type[RunpinError], changes: Mapping[str, str | None], manifest: str | None = None) -> RunpinError:
    """Return why the changed tree is refused."""
    with pytest.raises(kind) as caught:
        repository(changes, manifest)
    assert type(caught.value) is kind
    return caught.value


def test_the_manifest_declares_everything() -> None:
    """Environments, tenants, applications, documents by name, schemas and owners come from `runpin.toml`."""
    found = repository()

    assert ("dev", "prod") == found.environments
    assert ("acme", "umbrella") == found.tenants
    assert ["payments", "reports"] == list(found.applications)
    payments = found.application("payments")
    assert {
        "etl": "payments/etl.yaml",
        "export": "payments/export.yaml",
        "limits": "shared/limits.json",
    } == payments.documents
    assert {"etl": ["schemas/etl.yaml"]} == {name: list(map(str, each)) for name, each in payments.schemas.items()}
    assert "team-payments" == payments.owner
    assert [{"type": "object"}] == [getattr(each, "value", None) for each in found.schemas("payments")["etl"]]
    assert {} == found.schemas("reports")


def test_a_repository_without_a_manifest_says_how_to_begin() -> None:
    """The error for a missing manifest names `runpin init`."""
    assert "runpin init" in (refused(ManifestError, {"runpin.toml": None}).fix or "")


HEAD = 'format = 1\nenvironments = ["prod"]\n'
PAYMENTS = '[applications.payments]\ndocuments = ["payments/*.yaml"]\n'


@pytest.mark.parametrize(
    ("manifest", "line", "said"),
    [
        ("", 1, "no document"),
        ("formt = 1\n", 1, "did you mean 'format'?"),
        ("environments = []\n", 1, "not of format 1"),
        ("format = 2\nstages = []\n", 1, "not of format 1"),
        ("format = 2\n", 1, "not of format 1"),
        ("format = true\n", 1, "not of format 1"),
        (HEAD + "tenant = []\n", 3, "'tenants'"),
        ("format = 1\n" + PAYMENTS, 1, "no environment"),
        ("format = 1\nenvironments = []\n" + PAYMENTS, 2, "no environment"),
        ('format = 1\nenvironments = "prod"\n' + PAYMENTS, 2, "not a list"),
        ('format = 1\nenvironments = ["Prod"]\n' + PAYMENTS, 2, "'Prod' is not a usable environment name"),
        ('format = 1\nenvironments = ["prod", "prod"]\n' + PAYMENTS, 2, "twice"),
        (HEAD + 'tenants = ["a/b"]\n' + PAYMENTS, 3, "not a usable tenant name"),
        (HEAD, 1, "no application"),
        (HEAD + "[applications]\n", 3, "no application"),
        (HEAD + "applications = 1\n", 3, "not a table"),
        (HEAD + "[applications.Payments]\n", 3, "not a usable application name"),
        (HEAD + "applications.payments = 1\n", 3, "not a table"),
        (HEAD + "[applications.payments]\n", 3, "has no document"),
        (HEAD + '[applications.payments]\ndocument = ["a.yaml"]\n', 4, "'documents'"),
        (HEAD + PAYMENTS + "owner = 1\n", 5, "not a text"),
        (HEAD + PAYMENTS + "policies = []\n", 5, "move it to the top of the file"),
        (HEAD + PAYMENTS + "[applications.payments.schemas]\nelt = 'schemas/etl.yaml'\n", 6, "'etl'"),
        (HEAD + PAYMENTS + "schemas = { etl = 'schemas/elt.yaml' }\n", 5, "'schemas/etl.yaml'"),
        (HEAD + PAYMENTS + "schemas = { etl = 1 }\n", 5, "not a text"),
        (HEAD + PAYMENTS + "schemas = []\n", 5, "not a table"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said_with_its_line(manifest: str, line: int, said: str) -> None:
    """Unknown keys, wrong types, bad names and dangling paths end in an error with file, line and the nearest name."""
    with pytest.raises(InvalidConfig) as caught:
        repository(manifest=manifest)

    assert f"runpin.toml:{line}" == caught.value.where
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("payments/*.yml", "matches no file"),
        ("payments/elt.yaml", "'payments/etl.yaml'"),
        ("*/etl.yaml/x", "matches no file"),
        ("payments/**", "two '*'"),
        ("**/etl.yaml", "two '*'"),
        ("payments/*_*.yaml", "two '*'"),
        ("payments/*", "suffix"),
        ("*.md", "suffix"),
        ("/payments/etl.yaml", "not a path"),
        ("../payments/etl.yaml", "not a path"),
        ("payments//etl.yaml", "not a path"),
        ("payments\\\\etl.yaml", "not a path"),
        ("payments/et?.yaml", "not a path"),
        ("payments/[e]tl.yaml", "not a path"),
        ("", "not a path"),
        ("environments/prod/payments/etl.yaml", "overlays"),
        ("runpin.toml", "matches no file"),
        ("*.toml", "matches no file"),
    ],
)
def test_patterns_that_lead_nowhere_are_refused(pattern: str, said: str) -> None:
    """A pattern is a path below the root, with one `*` per part, and leads to documents only."""
    manifest = HEAD + f'[applications.payments]\ndocuments = ["payments/etl.yaml", "{pattern}"]\n'

    error = refused(ManifestError, {}, manifest)

    assert said in str(error)
    assert "runpin.toml:4" == error.where


@pytest.mark.parametrize("path", ["payments/etl.json", "payments/deep/etl.yaml"])
def test_two_files_of_one_name_are_refused(path: str) -> None:
    """A document's name is its file's stem, so two files of one stem are refused, both named."""
    manifest = (
        HEAD + '[applications.payments]\ndocuments = ["payments/*.yaml", "payments/*.json", "payments/*/*.yaml"]\n'
    )
    others = {"payments/x/y.yaml": "a: 1", "payments/z.json": "{}"}

    error = refused(ManifestError, {path: "{}", **others, "environments/prod/shared/limits.json": None}, manifest)

    assert path in error.what
    assert "payments/etl.yaml" in error.what


@pytest.mark.parametrize("path", ["payments/Bad.yaml", "payments/v1.2.yaml", "payments/é.yaml", "payments/\x1b.yaml"])
def test_a_file_whose_name_cannot_name_a_document_is_refused(path: str) -> None:
    """The stem must be a usable name, and what is printed about it holds no control character."""
    error = refused(ManifestError, {path: "a: 1"})

    assert str(error).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("environments/prod/payments/elt.yaml", "'payments/etl.yaml'"),
        ("environments/prod/payments/etl.yml", "'payments/etl.yaml'"),
        ("environments/prod/payments/notes.txt", "no base document"),
        ("environments/prd/payments/etl.yaml", "'prod'"),
        ("environments/prod.yaml", "not declared"),
        ("tenants/acmee/payments/etl.yaml", "'acme'"),
        ("tenants/prod/payments/etl.yaml", "not declared"),
        ("tenants/acme/environments/prod/payments/etl.yaml", "no base document"),
        ("tenants/acme/runpin.toml", "no base document"),
    ],
)
def test_an_overlay_without_a_base_is_refused(path: str, said: str) -> None:
    """A file in an overlay folder that overlays nothing is a mistake, and the nearest base or folder is named."""
    error = refused(OverlayError, {path: "a: 1"})

    assert said in str(error)
    assert path == error.where


def test_without_tenants_every_tenant_folder_is_a_mistake() -> None:
    """A repository that declares no tenants cannot hold overlays for one."""
    refused(OverlayError, {}, MANIFEST.replace('tenants = ["acme", "umbrella"]\n', ""))


def test_overlays_are_merged_in_order() -> None:
    """The environment's overlay goes over the base, and the tenant's over both."""
    found = repository()

    assert {
        "etl": {"batch_size": 500, "source": {"kind": "s3", "path": "in"}, "tags": ["a", "b"]},
        "export": {"enabled": True},
        "limits": {"rows": 1},
    } == values(compile_scope(found, Scope("payments", "dev")))
    assert {"batch_size": 5000, "source": {"kind": "s3", "bucket": "big"}, "tags": ["a", "b"]} == values(
        compile_scope(found, Scope("payments", "prod"))
    )["etl"]
    assert {"batch_size": 5000, "source": {"kind": "s3", "bucket": "theirs"}, "tags": ["c"]} == values(
        compile_scope(found, Scope("payments", "prod", "acme"))
    )["etl"]


def test_origins_lead_to_the_file_that_decided() -> None:
    """Each value of a merged document has the file and line of the layer that set it."""
    document = compile_scope(repository(), Scope("payments", "prod", "acme"))[0]

    base, prod, acme = "payments/etl.yaml", "environments/prod/payments/etl.yaml", "tenants/acme/payments/etl.yaml"
    assert {
        "": Origin(base, 1),
        "/batch_size": Origin(prod, 2),
        "/source": Origin(base, 2),
        "/source/kind": Origin(base, 2),
        "/source/bucket": Origin(acme, 3),
        "/tags": Origin(acme, 1),
        "/tags/0": Origin(acme, 1),
    } == document.origins


def test_an_environment_is_every_application_with_and_without_each_tenant() -> None:
    """All scopes of an environment are compiled with one read, and each file is parsed for all of them at once."""
    tree = Tree(TREE)
    found = read_repository(tree, COMMIT)
    tree.reads.clear()

    compiled = dict(compile_environment(found, "prod"))

    assert {
        Scope(application, "prod", tenant)
        for application in ("payments", "reports")
        for tenant in (None, "acme", "umbrella")
    } == compiled.keys()
    assert 1 == len(tree.reads)
    assert 7 == len(set(tree.reads[0])) == len(tree.reads[0])
    # A tenant without an overlay shares the very document, so it was neither parsed nor hashed again.
    plain, umbrella = compiled[Scope("payments", "prod")], compiled[Scope("payments", "prod", "umbrella")]
    assert all(one is other for one, other in zip(plain, umbrella, strict=True))


def test_an_environment_can_be_compiled_for_some_applications() -> None:
    """Only the named applications are compiled, and an unknown one is an error."""
    scopes = compile_environment(repository(), "dev", applications=["reports"])

    assert {"reports"} == {scope.application for scope, _ in scopes}
    with pytest.raises(UnknownApplication):
        compile_environment(repository(), "dev", applications=["report"])


@pytest.mark.parametrize(
    ("scope", "kind", "said"),
    [
        (Scope("paymnts", "prod"), UnknownApplication, "did you mean 'payments'? known: payments, reports"),
        (Scope("payments", "prd"), UnknownEnvironment, "did you mean 'prod'? known: dev, prod"),
        (Scope("payments", "prod", "zzz"), UnknownTenant, "known: acme, umbrella"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(scope: Scope, kind: type[RunpinError], said: str) -> None:
    """Asking for what the manifest does not declare is an error that lists what it does, the nearest name first."""
    with pytest.raises(kind) as caught:
        compile_scope(repository(), scope)

    assert said == caught.value.fix


def test_a_file_that_cannot_be_read_is_named() -> None:
    """A parse error says which layer of which document it is in."""
    found = repository({"environments/prod/payments/etl.yaml": "batch_size: 1\nbatch_size: 2\n"})

    with pytest.raises(ParseError) as caught:
        compile_scope(found, Scope("payments", "prod"))

    assert "environments/prod/payments/etl.yaml:2:1" == caught.value.where
    assert compile_scope(found, Scope("payments", "dev"))


def test_a_document_that_outgrows_the_stores_is_refused() -> None:
    """Numbers are longer in canonical form than in a file, and overlays add up; stores take a megabyte."""
    layers = [parse("f.yaml", f"{key}: [{'1e-6,' * 45_000}]".encode()) for key in "abc"]
    two = merge(layers[0], layers[1])
    assert 800_000 < len(document_of("f", two).body)
    three = merge(two, layers[2])

    with pytest.raises(ParseError, match="canonical form"):
        document_of("f", three)


FROZEN = {
    "payments.dev": "800bd5518893dd05008f71041a78cf563d740d71b79af3dd8d7e7ea44898022b",
    "payments.prod": "b6664ee07a72f337354560cc9fd66901b6192c497dbcae3aabb9868d852718b6",
    "payments.prod.acme": "6970fba2851d089cdc2b7b60bacc4ffcf6854ae4435a61e7678d715a1761be8c",
    "reports.prod": "4df975d45399bb3539502c9d4a85bf6d534cf93a9a688556b9649cb379602158",
}


def digests(*, backwards: bool) -> dict[Scope, str]:
    """Compile the tree above and return the digest of each snapshot."""
    found = read_repository(Tree(TREE, backwards=backwards), COMMIT)
    compiled = [pair for environment in found.environments for pair in compile_environment(found, environment)]
    return {
        scope: snapshot_of(scope, {each.name: each.digest for each in documents}).digest
        for scope, documents in compiled
    }


def test_the_same_files_give_the_same_digests() -> None:
    """Neither a second run nor the order in which a source lists files changes a digest."""
    assert digests(backwards=False) == digests(backwards=True) == digests(backwards=False)


def test_digests_are_frozen() -> None:
    """These digests never change: a release that changed one would move every channel at once."""
    found = {str(scope): digest for scope, digest in digests(backwards=False).items()}

    assert FROZEN == {scope: found[scope] for scope in FROZEN}


def test_a_digest_can_be_made_by_hand() -> None:
    """A digest is SHA-256 of canonical JSON that lists SHA-256 of canonical JSON, and nothing else goes into it."""
    daily = sha256(b'{"hour":6,"mail":{"to":"team"}}').hexdigest()
    limits = sha256(b'{"rows":2}').hexdigest()
    manifest = (
        f'{{"application":"reports","documents":{{"daily":"{daily}","limits":"{limits}"}},'
        '"environment":"prod","format":1,"tenant":null}'
    )

    assert FROZEN["reports.prod"] == sha256(manifest.encode()).hexdigest()
