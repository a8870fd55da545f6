"""
The facts about runs, snapshots and channels, for whoever shows them: an engine's web pages, above all.

Whoever looks is never told a guess: what is not known is None, and why it is not is one of the answer's problems. A
look waits for a backend that takes its time, but it does not wait for one twice, and there is a bound to all it asks.
"""

from runpin.showing.backends import Backends, Traced
from runpin.showing.facts import (
    ApplicationFacts,
    ApplicationsFacts,
    ChannelFacts,
    Count,
    Difference,
    DiffFacts,
    Event,
    HistoryFacts,
    Live,
    NamedSnapshot,
    Parent,
    PinFacts,
    PinnedRun,
    Previous,
    Problem,
    ProblemsFacts,
    RunApplication,
    RunFacts,
    Side,
    SnapshotRuns,
    Value,
)
from runpin.showing.showing import Showing
from runpin.showing.story import SeenLink, SeenRun, Story
from runpin.showing.tracing import Tracing, lines_in, traced

__all__ = [
    "ApplicationFacts",
    "ApplicationsFacts",
    "Backends",
    "ChannelFacts",
    "Count",
    "DiffFacts",
    "Difference",
    "Event",
    "HistoryFacts",
    "Live",
    "NamedSnapshot",
    "Parent",
    "PinFacts",
    "PinnedRun",
    "Previous",
    "Problem",
    "ProblemsFacts",
    "RunApplication",
    "RunFacts",
    "SeenLink",
    "SeenRun",
    "Showing",
    "Side",
    "SnapshotRuns",
    "Story",
    "Traced",
    "Tracing",
    "Value",
    "lines_in",
    "traced",
]
