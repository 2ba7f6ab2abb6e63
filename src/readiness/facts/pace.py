"""How a guest asks where others are at work: it rests between its questions, so that the greater part of the time is theirs.

What a session asks counts by the clock, from a transaction's begin to its end: on a busy machine a question takes longer, and so
does the rest after it. Whether others are at work is looked at anew each time that a rest is due; a role that may not see them
takes it that they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable

WORTH_A_LOOK = 0.05  # seconds of asking: a look takes about a hundredth of that


class Pace:
    """Of a session, or of several that ask together. A share of 1 never rests, and never looks."""

    def __init__(self, share: float) -> None:
        """Begin, with nothing asked.

        Args:
            share: the part of the time, above 0 and up to 1, that goes into asking while others are at work.
        """
        self.share = share
        self.rested = 0.0
        """Seconds, in all."""
        self.asking = 0.0
        """Seconds, in all."""
        self.alone = False
        """Whether the last look saw nobody else at work."""
        self.before_rest: list[Callable[[], object]] = []
        """What ends the transactions of those who ask together."""
        self._asked = 0.0  # seconds, since the last rest or the last look that saw nobody

    def asked(self, seconds: float) -> None:
        self._asked += seconds
        self.asking += seconds

    @property
    def due(self) -> bool:
        """Whether enough was asked that it is worth a look."""
        return self.share < 1 and self._asked >= WORTH_A_LOOK

    def rest(self, others: int | None) -> None:
        """Rest for what was asked, unless nobody else is at work.

        Args:
            others: sessions at work beside ours; None where they can't be seen.
        """
        owed, self._asked = self._asked * (1 / self.share - 1), 0.0
        self.alone = others == 0
        if self.alone:
            return
        for end in self.before_rest:
            end()
        began = time.perf_counter()
        time.sleep(owed)
        self.rested += time.perf_counter() - began
