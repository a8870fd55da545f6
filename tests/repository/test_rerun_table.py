"""The published table of reruns says what the rules say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from runpin.rerunning import Event, Held, RerunPolicy, Situation, Take, decide

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "reruns.md"
GOOD, BARRED = Held.GOOD, Held.BARRED

ROWS = {
    "a run starts, by schedule, person or asset": Situation(Event.START),
    "a task is tried again, mapped, deferred, resumed": Situation(Event.RETRY, own=GOOD),
    "a run is cleared": Situation(Event.CLEAR, own=GOOD),
    "a part of a run is cleared": Situation(Event.CLEAR, own=GOOD, whole=False),
    "a run is cleared that was started with a name, or took one": Situation(Event.CLEAR, own=GOOD, chosen=True),
    "a run is re-executed (a new run)": Situation(Event.REEXECUTE, earlier=GOOD),
    "a part of it is re-executed": Situation(Event.REEXECUTE, earlier=GOOD, whole=False),
    "a run is re-executed whose earlier one is quarantined": Situation(Event.REEXECUTE, earlier=BARRED),
    "the engine retries a run by itself": Situation(Event.RUN_RETRY, earlier=GOOD),
    "the same, and the earlier one is quarantined": Situation(Event.RUN_RETRY, earlier=BARRED),
    "the same, from the step that failed": Situation(Event.RUN_RETRY, earlier=BARRED, whole=False),
    "another run starts it and hands its pins on": Situation(Event.CHILD, parent=GOOD),
    "a safe point of an `AUTO_UPGRADE` run": Situation(Event.SAFE_POINT, own=GOOD),
}
WORDS = {
    Take.OWN: "own",
    Take.EARLIER: "earlier",
    Take.PARENT: "the parent's",
    Take.ROUTE: "live",
    Take.STABLE: "live, never ramped",
    Take.REFUSE: "refused",
}


def test_each_row_is_what_the_rules_say() -> None:
    """Under each policy, and when somebody named a snapshot."""
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    told = {cells[0]: cells[1:] for cells in lines if len(cells) == 5 and cells[0] != "what happens"}

    assert told.keys() == ROWS.keys()
    for row, situation in ROWS.items():
        for policy, cell in zip(RerunPolicy, told[row], strict=False):
            expected = WORDS[decide(replace(situation, policy=policy)).take]
            found = told[row][0] if cell == "the same" else cell.partition(", with")[0]
            assert found == expected, (row, policy)
        named = decide(replace(situation, named=True)).take
        word = {Take.REFUSE: ("refused",), Take.OWN: ("own",), Take.NAMED: ("the named one", "the new one")}[named]
        assert told[row][-1] in word, row
