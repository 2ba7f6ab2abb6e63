"""What the profile declares of the schema, beside what the database has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from readiness.authoring import Unobservable
from readiness.facts.definitions import DefinedTable, Definitions
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target, declared
from readiness.model import Reason, Unseen, quote_ident
from readiness.profile import Column, Extension, Schema, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveColumn:
    type: str
    """As format_type() writes it."""
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTable:
    """A table as it is.

    Args:
        policies: the commands that row security policies cover (`*`, r, a, w, d).
    """

    schema: str
    name: str
    quoted: str
    columns: Mapping[str, LiveColumn]
    row_security: bool
    forced: bool
    policies: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables that the profile names anywhere, as far as they exist, and where else a table of that name lies.

    Args:
        by_name: (schema, table) -> the table.
        elsewhere: table name -> quoted tables of that name in other schemas.
    """

    by_name: Mapping[tuple[str, str], LiveTable]
    elsewhere: Mapping[str, tuple[str, ...]]

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        profile = target.profile
        named = {(schema, table) for schema, s in profile.schemas.items() for table in s.tables}
        named |= {split_name(name) for name in profile.row_security.tables}
        names = sorted({table for _, table in named})
        rows = postgres.rows(_TABLES, (names,), marker="tables") if names else []
        live = {(row["schema"], row["name"]): _table(row) for row in rows}
        elsewhere: dict[str, list[str]] = {}
        for (schema, name), table in live.items():
            if (schema, name) not in named:
                elsewhere.setdefault(name, []).append(table.quoted)
        return cls(
            by_name={key: table for key, table in live.items() if key in named},
            elsewhere={name: tuple(sorted(found)) for name, found in elsewhere.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformance:
    """One declared table that is there, as it is declared and as it is.

    Args:
        complete: whether what its schema doesn't declare is declared not to be there.
    """

    declared: Table
    live: DefinedTable
    complete: bool

    def says(self, section: str) -> bool:
        """Whether the declaration speaks of a section (`indexes`), be it that there is none."""
        return self.complete or section in self.declared.model_fields_set

    def unseen(self, subject: str, kind: str) -> Unseen:
        """A part of the table that could not be compared."""
        return Unseen(
            subject=subject,
            kind=kind,
            reason=Reason.LOCKED,
            detail=f"a running DDL statement stands before {self.live.quoted}",
        )


@dataclass(frozen=True, slots=True)
class CanonicalSchema:
    """What the profile declares of the schemas.

    Args:
        tables: (schema, table) -> its declared columns.
        extensions: the declared ones; None where the profile doesn't say which there are.
    """

    schemas: Mapping[str, Schema]
    tables: Mapping[tuple[str, str], Mapping[str, Column]]
    extensions: frozenset[str] | None

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "schemas")
        found: dict[tuple[str, str], dict[str, Column]] = {}
        for schema, s in target.profile.schemas.items():
            for name, table in s.tables.items():
                columns = table.columns if table else {}
                found[schema, name] = {n: Column(type=c) if isinstance(c, str) else c for n, c in columns.items()}
        told = "extensions" in target.profile.model_fields_set
        return cls(target.profile.schemas, found, frozenset(target.profile.extensions) if told else None)

    def beside(self, definitions: Definitions) -> list[Conformance]:
        """The declared tables that are there; those that aren't are told by schema/missing-table."""
        return [
            Conformance(declared=table or Table(), live=live.tables[name], complete=schema.complete)
            for schema_name, schema in self.schemas.items()
            if (live := definitions.schemas.get(schema_name)) is not None
            for name, table in schema.tables.items()
            if name in live.tables
        ]

    def require(self, section: str) -> None:
        """See that some table's declaration speaks of a section.

        Raises:
            Unobservable: none does.
        """
        tables = [t for s in self.schemas.values() for t in s.tables.values() if t]
        complete = any(s.complete for s in self.schemas.values())
        if self.schemas and not complete and not any(section in t.model_fields_set for t in tables):
            raise Unobservable(
                Reason.NOT_CONFIGURED,
                f"no table of the canonical schema says its {section.replace('_', ' ')}",
                f"declare `{section}:` of the tables in the profile (`readiness init` writes what is there)",
            )


@dataclass(frozen=True, slots=True)
class DeclaredExtensions:
    """The extensions that the profile declares."""

    by_name: Mapping[str, Extension]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "extensions")
        return cls({name: e or Extension() for name, e in target.profile.extensions.items()})


@dataclass(frozen=True, slots=True)
class TenantTables:
    """Tables whose rows belong to tenants, as (schema, table)."""

    names: tuple[tuple[str, str], ...]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "row_security", empty="{tables: []}")
        return cls(tuple(map(split_name, target.profile.row_security.tables)))


@dataclass(frozen=True, slots=True)
class AuditedTables:
    """Tables whose changes must leave a trail, as (schema, table)."""

    names: tuple[tuple[str, str], ...]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "audit", empty="{tables: []}")
        return cls(tuple(map(split_name, target.profile.audit.tables)))


def split_name(qualified: str) -> tuple[str, str]:
    """A profile's `schema.table`, each part quoted where it needs it, as two plain names.

    Raises:
        Unobservable: it is none.
    """
    parts: list[str] = []
    rest = qualified
    while rest:
        if rest.startswith('"'):
            end = 1
            while (end := rest.index('"', end)) and rest[end + 1 : end + 2] == '"':
                end += 2
            parts.append(rest[1:end].replace('""', '"'))
            rest = rest[end + 1 :].removeprefix(".")
        else:
            part, _, rest = rest.partition(".")
            parts.append(part)
    if len(parts) != 2:
        raise Unobservable(Reason.NOT_CONFIGURED, f"{qualified!r} names no table; write schema.table")
    return parts[0], parts[1]


def shown(schema: str, table: str) -> str:
    return f"{quote_ident(schema)}.{quote_ident(table)}"


def _table(row: Mapping[str, Any]) -> LiveTable:
    columns = zip(row["columns"], row["types"], row["nullables"], strict=True)
    return LiveTable(
        schema=row["schema"],
        name=row["name"],
        quoted=row["quoted"],
        columns={name: LiveColumn(type=kind, nullable=nullable) for name, kind, nullable in columns},
        row_security=row["row_security"],
        forced=row["forced"],
        policies=frozenset(row["policies"]),
    )


_TABLES = """
select
    ns.nspname::text as schema,
    c.relname::text as name,
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as quoted,
    c.relrowsecurity as row_security,
    c.relforcerowsecurity as forced,
    array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        order by a.attnum
    ) as columns,
    array(
        select pg_catalog.format_type(a.atttypid, a.atttypmod)
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        order by a.attnum
    ) as types,
    array(
        select not a.attnotnull
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        order by a.attnum
    ) as nullables,
    array(
        select distinct p.polcmd::text
        from pg_catalog.pg_policy as p
        where p.polrelid = c.oid and p.polpermissive
        order by 1
    ) as policies
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relname = any ($1::text[])
    and c.relkind in ('r', 'p')
    and not c.relispartition
    and c.relpersistence <> 't'
    and ns.nspname !~ '^pg_'
    and ns.nspname <> 'information_schema'
order by quoted
"""
