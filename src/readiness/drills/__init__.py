"""Drills: opt-in experiments that write, in a scratch database only, and what they prove.

A module each. `scratch` gives the ground to stand on and leaves nothing of it behind; `evidence` keeps what came of it, so
that the checks that ask for a proof are answered by the next audit.
"""

from __future__ import annotations


class DrillError(Exception):
    """A drill can't be run as it was asked for: one sentence, with the mend."""
