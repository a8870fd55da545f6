"""Every value of a document can be asked where it comes from."""

from __future__ import annotations

import pytest

from runpin.compiling import document_of, explain, merge
from runpin.errors import NotFound
from runpin.model import Document, Origin
from runpin.parsing import parse

BASE = b"batch_size: 500\nsource:\n  kind: hunter2\n  hosts: [one, {name: two}]\n  a/b: 1\n'': 0\n"
DOCUMENT = document_of("etl", merge(parse("etl.yaml", BASE), parse("prod/etl.yaml", b"# prod\nbatch_size: 5000\n")))


@pytest.mark.parametrize(
    ("keys", "value", "origin", "pointer"),
    [
        (["batch_size"], 5000, Origin("prod/etl.yaml", 2), "/batch_size"),
        (["source", "hosts", "1", "name"], "two", Origin("etl.yaml", 4), "/source/hosts/1/name"),
        (["source", "hosts", "0"], "one", Origin("etl.yaml", 4), "/source/hosts/0"),
        (["source", "a/b"], 1, Origin("etl.yaml", 5), "/source/a~1b"),
        ([""], 0, Origin("etl.yaml", 6), "/"),
    ],
)
def test_a_value_is_explained(keys: list[str], value: object, origin: Origin, pointer: str) -> None:
    """The answer is the value as readers see it, its pointer, and the file and line that decided."""
    explained = explain(DOCUMENT, keys)

    assert (value, origin, pointer) == (explained.value, explained.origin, explained.pointer)


def test_the_whole_document_is_explained() -> None:
    """Without keys the answer is the document itself, and where its base file begins."""
    explained = explain(DOCUMENT, [])

    assert (DOCUMENT.value, Origin("etl.yaml", 1), "") == (explained.value, explained.origin, explained.pointer)


@pytest.mark.parametrize(
    ("keys", "where", "fix"),
    [
        (["batchsize"], "etl# (etl.yaml:1)", "did you mean 'batch_size'?"),
        (["source", "knd"], "etl#/source (etl.yaml:2)", "did you mean 'kind'? known: a/b, hosts, kind"),
        (["source", "hosts", "2"], "etl#/source/hosts (etl.yaml:4)", "items are numbered from 0, of 2"),
        (["source", "hosts", "-1"], "etl#/source/hosts (etl.yaml:4)", "items are numbered from 0, of 2"),
        (["source", "hosts", "9" * 5000], "etl#/source/hosts (etl.yaml:4)", "items are numbered from 0, of 2"),
        (["source", "kind", "x"], "etl#/source/kind (etl.yaml:3)", "leave out the last part"),
    ],
)
def test_a_key_that_leads_nowhere_is_answered_with_the_nearest(keys: list[str], where: str, fix: str) -> None:
    """The error says how far the keys led and which keys there are, and prints no value."""
    with pytest.raises(NotFound) as caught:
        explain(DOCUMENT, keys)

    assert where == caught.value.where
    assert fix in (caught.value.fix or "")
    assert "hunter2" not in str(caught.value)


def test_a_document_from_a_store_has_no_origins() -> None:
    """Origins are not stored, so a document that was read back explains values only."""
    stored = Document(DOCUMENT.name, DOCUMENT.value, DOCUMENT.body, DOCUMENT.digest)

    assert explain(stored, ["batch_size"]).origin is None
    with pytest.raises(NotFound) as caught:
        explain(stored, ["x"])
    assert "etl#" == caught.value.where
