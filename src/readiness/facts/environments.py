"""The schemas of the platform's other environments, held against the audited one's.

What differs by design is left out: who owns an object and who may use it (each environment has roles of its own), the order of
columns, settings, publications and subscriptions, and migration bookkeeping.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.bookkeeping import BOOKKEEPING_TABLES
from readiness.facts.fingerprint import SchemaFingerprint, SchemaObject, Value, differing_groups
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target, declared
from readiness.model import Reason

_BY_DESIGN = frozenset({"owner", "rights", "position"})
_KINDS_BY_DESIGN = frozenset(
    {"publication", "subscription", "user mapping", "default rights", "setting", "security label"}
)


@dataclass(frozen=True, slots=True)
class Environments:
    """Each declared environment -> what differs there, in words and in order; or why it could not be asked."""

    by_name: Mapping[str, tuple[str, ...] | Unobservable]

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        declared(target.profile, "environments")
        found: dict[str, tuple[str, ...] | Unobservable] = {}
        for name, environment in target.profile.environments.items():
            try:
                found[name] = _asked(name, environment.dsn.get_secret_value(), postgres, target)
            except Unobservable as unseen:
                found[name] = unseen
        return cls(found)


def _asked(name: str, dsn: str, here: Postgres, target: Target) -> tuple[str, ...]:
    if not dsn:
        raise Unobservable(
            Reason.NOT_CONFIGURED, "its connection string is empty", f"say `environments.{name}.dsn` in the profile"
        )
    try:
        probing = target.profile.probing
        there = Postgres(dsn, statement_seconds=probing.statement_seconds, share_when_busy=probing.share_when_busy)
    except ValueError as error:
        raise Unobservable(Reason.NOT_CONFIGURED, f"environments.{name}.dsn: {error}") from None
    try:
        return tuple(compared(here, there, target.ignored_schemas))
    finally:
        there.close()


def compared(here: Postgres, there: Postgres, ignored_schemas: tuple[str, ...]) -> list[str]:
    """What differs between two databases' schemas, in words.

    Raises:
        Unobservable: one of them can't be read; or their major versions differ, which write the same in other words.
    """
    majors = [p.server_version // 10000 for p in (here, there)]
    if majors[0] != majors[1]:
        raise Unobservable(
            Reason.UNSUPPORTED,
            f"it is PostgreSQL {majors[1]} there and {majors[0]} here: schemas are compared within one major version",
        )
    groups = [g for g in differing_groups(here, there, ignored_schemas=ignored_schemas) if g[0] not in _KINDS_BY_DESIGN]
    if not groups:
        return []
    # What came or went with its table is told with that, so the tables of the same schemas are read too.
    wanted = sorted({*groups, *((kind, space) for _, space in groups for kind in ("table", "view", "type"))})
    one, other = (
        SchemaFingerprint.of(p, ignored_schemas=ignored_schemas, without_tables=BOOKKEEPING_TABLES, groups=wanted)
        for p in (here, there)
    )
    return [*differing(one.objects, other.objects)]


def differing(here: Iterable[SchemaObject], there: Iterable[SchemaObject]) -> Iterable[str]:
    """`table a.b: only here`, `column a.b.c: type, default`; what stands or falls with its parent is not told again."""
    one, other = ({(o.kind, o.name): o for o in side} for side in (here, there))
    alone = {name for kind, name in one.keys() ^ other.keys()}
    for key in [*one, *(k for k in other if k not in one)]:
        first, second = one.get(key), other.get(key)
        kind, name = key
        if first is not None and second is not None:
            properties = sorted(p for p in _own(first) ^ _own(second))
            if words := [*dict.fromkeys(p for p, _ in properties)]:
                yield f"{kind} {name}: {', '.join(words)}"
        elif (found := first or second) is not None and found.parent not in alone:
            yield f"{kind} {name}: only {'here' if first else 'there'}"


def _own(o: SchemaObject) -> set[tuple[str, str]]:
    return {(name, _plain(value)) for name, value in o.properties.items() if name not in _BY_DESIGN}


def _plain(value: Value) -> str:
    return "\n".join(value) if isinstance(value, list) else str(value)
