"""Names, ids and run keys: what exists is valid, and no two things share a name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpin.errors import NotFound, UnknownSnapshot
from runpin.model import RunKey, Scope, SnapshotId, check_name, digest_of

NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,13}", fullmatch=True)
IDS = st.builds(
    SnapshotId,
    application=NAMES,
    environment=NAMES,
    sequence=st.integers(1, 999_999_999),
    short=st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
)


@given(IDS)
def test_a_snapshot_id_reads_back(snapshot: SnapshotId) -> None:
    """The text form of an id, parsed, is the id."""
    assert snapshot == SnapshotId.parse(str(snapshot))


@given(IDS)
def test_a_snapshot_id_fits_the_strictest_tag_rule(snapshot: SnapshotId) -> None:
    """An id can be a tag value in both engines."""
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", str(snapshot))


def test_the_longest_snapshot_id_has_63_characters() -> None:
    """The limits on names add up to the tag limit."""
    longest = SnapshotId("a" * 24, "b" * 14, 999_999_999, "0" * 12)

    assert 63 == len(str(SnapshotId.parse(str(longest))))


@given(IDS, IDS)
def test_no_snapshot_id_is_a_prefix_of_another(one: SnapshotId, other: SnapshotId) -> None:
    """Airflow's filter is a substring match, so one id must not find another's runs."""
    assert one == other or not str(other).startswith(str(one))


@pytest.mark.parametrize(
    "text",
    ["", "latest", "payments.prod.v0.0123456789ab", "payments.prod.v1.0123456789AB", "payments.prod.v1.0123456789ab\n"],
)
def test_what_is_no_snapshot_id_is_refused(text: str) -> None:
    """Near misses get a typed error that shows the form."""
    with pytest.raises(UnknownSnapshot, match=r"payments\.prod\.v42"):
        SnapshotId.parse(text)


@pytest.mark.parametrize("name", ["", "Payments", "pay/ments", "..", "1st", "a" * 25, "a\n", "päy"])
def test_what_cannot_be_an_application_is_refused(name: str) -> None:
    """Names become keys, paths and tags, so only plain ones are let in."""
    with pytest.raises(NotFound):
        check_name("application", name)


PARTS = st.text(max_size=12)
KEYS = st.builds(RunKey, PARTS, PARTS, PARTS, PARTS, PARTS)


def joined(key: RunKey) -> str:
    """A seeded bug: parts joined without their lengths."""
    return digest_of("".join((key.engine, key.deployment, key.job, key.run_id, key.incarnation)).encode())


def shifted(key: RunKey) -> RunKey:
    """Move the first letter of the run id to the end of the job."""
    return RunKey(key.engine, key.deployment, key.job + key.run_id[:1], key.run_id[1:], key.incarnation)


@given(KEYS.filter(lambda key: bool(key.run_id)))
def test_run_keys_do_not_collide_when_parts_are_shifted(key: RunKey) -> None:
    """`app1` + `2x` is another run than `app12` + `x`; a hash of joined parts would not see it."""
    assert key.digest != shifted(key).digest
    assert joined(key) == joined(shifted(key))


def test_the_digest_of_a_run_key_is_frozen() -> None:
    """Pins of earlier releases must be found again, so the hash never changes."""
    key = RunKey("airflow", "default", "payments_daily", "scheduled__2026-11-23T00:00:00+00:00", "5d41402abc4b2a76")

    assert key.digest == "73cecdfb8305630de5624b57b77c860dffbbf97646717eb13b3bde1f32c85817"


def test_a_scope_with_a_bad_tenant_cannot_exist() -> None:
    """A tenant named `..` or `*` never reaches a key or a path."""
    with pytest.raises(NotFound):
        Scope("payments", "prod", "..")
