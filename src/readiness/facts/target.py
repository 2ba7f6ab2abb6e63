"""What is audited, as the facts see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

from readiness.authoring import Unobservable
from readiness.model import Reason
from readiness.profile import Profile, QdrantStore, RedisStore, S3Store, Service, Store

S = TypeVar("S", QdrantStore, RedisStore, S3Store)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The profile, the folder that its paths start from, and the clock. Holds secrets: no stranger's check gets it.

    Args:
        environment: what libpq reads beside the DSN.
        ignored_schemas: by policy; for every check.
        trust_profile_sql: whether the profile's own SQL may run (never as superuser unless told).
        owned_tables: always quoted; tables that a service owns alone, beside the schemas that are its own.
    """

    profile: Profile
    folder: Path
    now: datetime
    environment: Mapping[str, str] = field(default_factory=dict)
    ignored_schemas: tuple[str, ...] = ()
    trust_profile_sql: bool = False
    owned_tables: frozenset[str] = frozenset()

    def __reduce__(self) -> str:
        raise TypeError("a target holds secrets; it goes to no other process")

    def path(self, relative: str) -> Path:
        return self.folder / relative


@dataclass(frozen=True, slots=True)
class Services:
    """The declared services, without their secrets.

    Raises, when taken:
        Unobservable: the profile doesn't say which services there are.
    """

    by_name: Mapping[str, Service]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "services")
        return cls({name: without_secrets(s) for name, s in target.profile.services.items()})


@dataclass(frozen=True, slots=True)
class Stores:
    """The declared stores, without their secrets.

    Raises, when taken:
        Unobservable: the profile doesn't say which stores there are.
    """

    by_name: Mapping[str, Store]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "stores")
        bare = {"api_key": None, "password": None, "secret_key": None}
        return cls(
            {
                name: s.model_copy(update={k: v for k, v in bare.items() if hasattr(s, k)} | {"url": bare_url(s.url)})
                for name, s in target.profile.stores.items()
            }
        )

    def of(self, kind: type[S]) -> dict[str, S]:
        """Those of a kind."""
        return {name: store for name, store in self.by_name.items() if isinstance(store, kind)}


def addressless(name: str) -> Unobservable:
    return Unobservable(
        Reason.NOT_CONFIGURED, "the profile gives no address for it", f"declare `stores.{name}.url` in the profile"
    )


def without_secrets(service: Service) -> Service:
    return service.model_copy(update={"dsn": None, "url": bare_url(service.url), "latency_headers": {}})


def bare_url(url: str | None) -> str | None:
    """An address without user and password."""
    if url and "@" in (parts := urlsplit(url)).netloc:
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return url


def declared(profile: Profile, section: str, *, empty: str = "{}") -> None:
    """See that the profile says something of a section, be it that there is nothing.

    What isn't declared can't be looked at: it is unknown, never "not applicable", else a shorter profile would score
    higher.

    Raises:
        Unobservable: it says nothing.
    """
    if section not in profile.model_fields_set:
        raise Unobservable(
            Reason.NOT_CONFIGURED,
            f"the profile declares no `{section}:`, so it can't be told what there is",
            f"declare `{section}:` in the profile (`{section}: {empty}` where there are none)",
        )
