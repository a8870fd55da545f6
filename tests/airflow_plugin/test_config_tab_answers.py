"""The samples of what the Config tab's API answers are answers, one at least for each model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_runpin.ui import answers

SAMPLES = sorted((Path(__file__).parent / "ui_samples").glob("*.json"))
MODELS: dict[str, type[answers.Answer]] = {
    "run": answers.RunAnswer,
    "diff": answers.DiffAnswer,
    "snapshot_runs": answers.SnapshotRunsAnswer,
    "applications": answers.ApplicationsAnswer,
    "history": answers.HistoryAnswer,
    "problems": answers.ProblemsAnswer,
    "error": answers.ErrorAnswer,
}


def model_of(sample: Path) -> type[answers.Answer]:
    """Return the model whose answer *sample* shows; the longest beginning of its name says which."""
    return next(MODELS[name] for name in sorted(MODELS, key=len, reverse=True) if sample.stem.startswith(name))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_an_answer(sample: Path) -> None:
    """A sample has every member that the API sends, none else, and comes back from its model as it is."""
    content = json.loads(sample.read_text(encoding="utf-8"))

    answer = model_of(sample).model_validate(content)

    assert answer.model_dump(mode="json") == content


def test_every_answer_has_a_sample() -> None:
    """Whoever shows answers can look at one of each."""
    assert {model_of(sample) for sample in SAMPLES} == set(MODELS.values())
