"""The sessions that ask the catalog: the audit's own, and a second one where that is nobody's loss.

Each question takes the server one core, and a large catalog takes seconds of it. Two are asked at once only where it has taken a
while, while the last look saw nobody else at work (see `pace`), and where the second session can be spared and leads to the same
server for certain: not through a pooler, whose server session the first one may hold.
"""

from __future__ import annotations

from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.anchors import Anchors
from readiness.facts.postgres import Postgres, first_answered
from readiness.facts.server import Server
from readiness.facts.target import Target

SPARED = 10  # sessions that others can still open
WORTH_A_SESSION = 0.3  # seconds of asking by the first one: to open another and fill its caches takes a tenth


class Lanes:
    """Where the next question goes, and how many may be on their way."""

    def __init__(self, own: Postgres, *, two: bool = False) -> None:
        """Begin with one.

        Args:
            two: whether a second session may be opened, once nobody else is at work.
        """
        self.own = own
        self.beside: Postgres | None = None
        self._two = two

    @classmethod
    def take(cls, postgres: Postgres, server: Server, anchors: Anchors, target: Target) -> Self:
        return cls(postgres, two=not anchors.few and not server.pooled and target.profile.probing.sessions > 1)

    @property
    def sessions(self) -> list[Postgres]:
        return [self.own] if self.beside is None else [self.own, self.beside]

    @property
    def width(self) -> int:
        """How many questions may be on their way now. A second session that was lost is not opened anew."""
        lost = self.beside is not None and self.beside.lost
        worth = self.own.asking_seconds > WORTH_A_SESSION
        return 2 if self._two and worth and not lost and self.own.alone else 1

    def free(self) -> Postgres:
        """The session that the next question goes to."""
        if self.beside is None and self.width > 1:
            self.beside = _beside(self.own)
            self._two = self.beside is not None
        return self.beside if self.beside is not None and self.own.waits and self.width > 1 else self.own

    @property
    def waits(self) -> bool:
        """Whether an answer is on its way."""
        return any(session.waits for session in self.sessions)

    def receive(self) -> None:
        """Wait for the first of the answers that are on their way."""
        waiting = [session for session in self.sessions if session.waits]
        if waiting:
            first_answered(waiting).receive()


def _beside(own: Postgres) -> Postgres | None:
    """A second session, if there is room for it, and it is one with the same server."""
    made = own.another("beside", together=True)
    try:
        (here,) = own.rows(_PLACE, marker="lanes")
        if here["free"] > SPARED:
            (there,) = made.rows(_PLACE, marker="lanes")
            if here["started"] == there["started"]:
                return made
    except Unobservable:
        pass  # one does as well: nothing is seen less, only later
    made.close()
    return None


# When a server was started tells it, to the microsecond, from any other that the same name may lead to, a standby among them.
_PLACE = """
select
    pg_catalog.pg_postmaster_start_time()::text as started,
    pg_catalog.current_setting('max_connections')::int8
    - (select pg_catalog.sum(d.numbackends) from pg_catalog.pg_stat_database as d)::int8 as free
"""
