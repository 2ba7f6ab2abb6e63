"""Where migration frameworks keep their history in the database, and what it says.

`schema_migrations` is used by several, and told apart by its columns and by what stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from readiness.authoring import Unobservable
from readiness.facts.frameworks import BOOKKEEPING_BY_COLUMNS, BOOKKEEPING_TABLES, FRAMEWORKS
from readiness.facts.frameworks.form import Framework, Record, State
from readiness.facts.postgres import Postgres
from readiness.model import Reason, quote_ident

__all__ = [
    "BOOKKEEPING_BY_COLUMNS",
    "BOOKKEEPING_TABLES",
    "History",
    "MigrationHistories",
    "MigrationLock",
    "recognise",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationLock:
    """A framework's own lock, held.

    Args:
        seconds: for how long; None where the framework doesn't write it down.
    """

    table: str
    seconds: float | None
    holder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One framework's history in the database.

    Args:
        table: quoted, with its schema.
        records: oldest first.
        lockable: whether the framework's own lock table is there.
        locks: the framework's own lock, while it is held.
        unseen: why the rows could not be read, where only the table was seen.
    """

    framework: str
    table: str
    records: tuple[Record, ...] = ()
    lockable: bool = False
    locks: tuple[MigrationLock, ...] = ()
    unseen: Unobservable | None = None

    def named(self, state: State) -> list[str]:
        return [r.name for r in self.records if r.state is state]


@dataclass(frozen=True, slots=True)
class MigrationHistories:
    """Every framework's history table that the database has."""

    found: tuple[History, ...]

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        wanted = {f.table for f in FRAMEWORKS} | {f.lock_table for f in FRAMEWORKS} | {"ar_internal_metadata"}
        tables = postgres.rows(_LOOK, (sorted(t for t in wanted if t),), marker="migration-histories")
        by_schema: dict[str, dict[str, Mapping[str, Any]]] = {}
        for table in tables:
            by_schema.setdefault(table["schema"], {})[table["name"]] = table
        found = []
        for table in tables:
            beside = by_schema[table["schema"]]
            if framework := recognise(table["name"], table["columns"], list(beside)):
                found.append(_read(postgres, framework, table, beside.get(framework.lock_table or "")))
        return cls(tuple(found))


def recognise(table: str, columns: Sequence[str], beside: Sequence[str] = ()) -> Framework | None:
    """The framework that a table of this name and these columns belongs to, with these tables in its schema."""
    have = frozenset(columns)
    for framework in FRAMEWORKS:
        if table != framework.table or not framework.columns <= have or framework.exclusive & have:
            continue
        companion = framework.companion
        if companion and (companion.removeprefix("!") in beside) == companion.startswith("!"):
            continue
        return framework
    return None


def _read(
    postgres: Postgres, framework: Framework, table: Mapping[str, Any], lock: Mapping[str, Any] | None
) -> History:
    try:
        rows = postgres.rows(framework.query.replace("{}", table["quoted"]), marker="migration-histories")
        held = (
            postgres.rows(framework.lock.replace("{}", lock["quoted"]), marker="migration-histories")
            if framework.lock and lock
            else []
        )
    except Unobservable as unseen:
        if unseen.reason is Reason.NO_PERMISSION and not all(t["readable"] for t in (table, lock) if t):
            role = quote_ident(table["role"])
            grants = [f"grant usage on schema {table['schema']} to {role};"]
            grants += [f"grant select on {t['quoted']} to {role};" for t in (table, lock) if t]
            unseen = Unobservable(unseen.reason, unseen.detail, " ".join(grants))
        return History(framework=framework.name, table=table["quoted"], unseen=unseen)
    return History(
        framework=framework.name,
        table=table["quoted"],
        records=tuple(
            Record(name=str(row["name"]), state=State(row["state"]), at=row.get("at"), checksum=row.get("checksum"))
            for row in rows
        ),
        lockable=framework.lock is not None and lock is not None,
        locks=tuple(
            MigrationLock(table=str(lock["quoted"]) if lock else "", seconds=row["seconds"], holder=row["holder"])
            for row in held
        ),
    )


_LOOK = """
select
    c.relname::text as name,
    pg_catalog.quote_ident(ns.nspname) as schema,
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as quoted,
    current_user::text as role,
    -- Where it is, and nothing is seen all the same, row level security hides the rows.
    pg_catalog.has_schema_privilege(ns.oid, 'usage')
    and pg_catalog.has_table_privilege(c.oid, 'select') as readable,
    array(
        select a.attname
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        order by a.attnum
    )::text[] as columns
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and c.relpersistence <> 't'
    and c.relname = any ($1::text[])
order by quoted
"""
