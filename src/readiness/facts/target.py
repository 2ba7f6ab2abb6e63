"""What is audited, as the facts see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from readiness.profile import Profile, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The profile, the folder that its paths start from, and the clock. Holds secrets: no stranger's check gets it.

    Args:
        environment: what libpq reads beside the DSN.
        ignored_schemas: by policy; for every check.
        trust_profile_sql: whether the profile's own SQL may run (never as superuser unless told).
    """

    profile: Profile
    folder: Path
    now: datetime
    environment: Mapping[str, str] = field(default_factory=dict)
    ignored_schemas: tuple[str, ...] = ()
    trust_profile_sql: bool = True

    def path(self, relative: str) -> Path:
        return self.folder / relative


@dataclass(frozen=True, slots=True)
class Services:
    """The declared services, without their secrets."""

    by_name: Mapping[str, Service]

    @classmethod
    def take(cls, target: Target) -> Self:
        return cls({name: s.model_copy(update={"dsn": None}) for name, s in target.profile.services.items()})
