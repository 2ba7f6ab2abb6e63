"""A sample platform that can be audited without any set-up: DevMentor, before and after its migration.

It runs on an embedded Postgres that lives as long as the demo. Its services are real processes, its migrations are
really applied, its rows are enough to measure; nothing is prepared to meet a score.
"""

from __future__ import annotations

from typing import Literal

State = Literal["before", "after"]


class DemoError(Exception):
    """The platform could not be brought up: one sentence."""
