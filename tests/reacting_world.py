"""The world's record of reactions: it can be switched off, and interrupted while it writes."""

from __future__ import annotations

from collections.abc import Callable

from runpin.errors import StoreUnavailable
from runpin.reacting import Reactor
from runpin.reactions import Reaction, ReactionKey
from runpin.testing import MemoryReactions
from world import SCOPE, Switch, World

KEY = ReactionKey("test", "default", "job:reprice", SCOPE)


class KilledError(Exception):
    """The process ends here."""


def nothing() -> None:
    """Do nothing, and go on."""


def die() -> None:
    """End the process."""
    raise KilledError


def lose_the_answer() -> None:
    """Fail as a connection does that is lost after the commit."""
    raise StoreUnavailable("the connection was lost")


class InterruptedReactions(MemoryReactions):
    """The double behind a switch; `before` and `after` happen once, around the next write."""

    def __init__(self, switch: Switch) -> None:
        super().__init__()
        self._switch = switch
        self.calm()

    def calm(self) -> None:
        """Let the next write pass."""
        self.before: Callable[[], None] = nothing
        self.after: Callable[[], None] = nothing

    def newest(self, key: ReactionKey) -> Reaction | None:
        """Return the newest, when switched on."""
        self._switch.check()
        return super().newest(key)

    def begin(self, reaction: Reaction) -> Reaction:
        """Begin, when switched on."""
        return self._amid(lambda: super(InterruptedReactions, self).begin(reaction))

    def end(self, reaction: Reaction, outcome: str) -> Reaction:
        """End, when switched on."""
        return self._amid(lambda: super(InterruptedReactions, self).end(reaction, outcome))

    def recorded(self, key: ReactionKey) -> list[Reaction]:
        """Return what is on record for *key*, revisions growing."""
        return [reaction for _, reaction in sorted(self._recorded.get(key, {}).items())]

    def _amid(self, write: Callable[[], Reaction]) -> Reaction:
        before, after = self.before, self.after
        self.calm()
        before()
        self._switch.check()
        answer = write()
        after()
        return answer


def reactor_on(
    world: World, reactions: InterruptedReactions, host: str = "a", kind: type[Reactor] = Reactor
) -> Reactor:
    """Return the reactor of a new process on *host*."""
    return kind(reactions, world.host(host).resolver, world.ledger, world.clock)
