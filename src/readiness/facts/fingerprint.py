"""The fingerprint of a schema: every object that DDL makes, by kind and name, with all that DDL can say of it.

It is the same for the same schema, whatever road led there: no oids, no attribute numbers (a column that was dropped and
added again keeps its place among the living), access rights in order and with the defaults written out. Names come
qualified, since the session's search_path holds pg_catalog alone. Compare within one major version: the texts that
pg_get_viewdef() and its like write differ between two.

Left out: what belongs to the system, to temporary schemas or to an extension (the extension itself is an object), what
belongs to the whole cluster (roles, tablespaces), secrets (options of user mappings, a subscription's connection), rows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Self, TypeAlias

from readiness.facts.own import is_own
from readiness.facts.postgres import Postgres, Row
from readiness.model import quote_literal

SECONDS = 120.0

Value: TypeAlias = str | int | bool | list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaObject:
    """One object.

    Args:
        kind: column, index, policy... in words.
        name: qualified and quoted as Postgres would: schema.table.column, schema.table:constraint, schema.table/policy.
        parent: the relation or type that it goes with; None where it stands alone.
        properties: what DDL can say of it; what is at its default is left out.
    """

    kind: str
    name: str
    parent: str | None
    properties: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaFingerprint:
    """Every object of a schema, in the order in which they can be made."""

    major: int
    objects: tuple[SchemaObject, ...]

    @property
    def sha256(self) -> str:
        told = json.dumps([[o.kind, o.name, o.parent, dict(sorted(o.properties.items()))] for o in self.objects])
        return hashlib.sha256(told.encode()).hexdigest()

    @classmethod
    def of(
        cls,
        postgres: Postgres,
        *,
        ignored_schemas: Collection[str] = (),
        without_tables: Collection[str] = (),
        groups: Collection[tuple[str, str]] | None = None,
        prepared: bool = False,
        seconds: float = SECONDS,
    ) -> Self:
        """The schema of the database that a session leads to.

        Args:
            without_tables: names of tables that are left out, in whatever schema, with all that goes with them: a
                framework's bookkeeping.
            groups: (kind, schema) pairs; only these are read. None reads everything.
            prepared: let the server keep the plan, which takes longer to make than to run on a small schema; for a session
                that asks often, and never through a pooler.

        Raises:
            Unobservable: it can't be read, or not within the time.
        """
        major = postgres.server_version // 10000
        if prepared:
            assert groups is None
            rows = _from_prepared(postgres, major, ignored_schemas, seconds)
        else:
            statement = _EVERYTHING.format(_frame(major))
            parameters: list[Any] = [list(ignored_schemas)]
            if groups is not None:
                statement += " where (f.kind, f.space) in (select * from unnest($2::text[], $3::text[]))"
                parameters += [[kind for kind, _ in groups], [space for _, space in groups]]
            rows = postgres.rows(statement, parameters, marker="fingerprint", seconds=seconds)
        found = [
            SchemaObject(kind=r["kind"], name=r["name"], parent=r["parent"], properties=json.loads(r["body"]))
            for r in rows
        ]
        left_out = {o.name for o in found if o.kind == "table" and _bare(o.name) in frozenset(without_tables)}
        return cls(major=major, objects=in_order(o for o in found if not left_out & {o.name, o.parent}))


_EVERYTHING = "{}\nselect f.kind, f.name, f.parent, f.body from found as f"


def _from_prepared(postgres: Postgres, major: int, ignored_schemas: Collection[str], seconds: float) -> list[Row]:
    ignored = ", ".join(quote_literal(schema) for schema in ignored_schemas)
    execute = f"execute readiness_fingerprint(array[{ignored}]::text[])"
    generic = {"plan_cache_mode": "force_generic_plan"}
    there = "select name from pg_catalog.pg_prepared_statements where name = 'readiness_fingerprint'"
    if not postgres.rows(there, marker="fingerprint"):
        statement = f"prepare readiness_fingerprint (text[]) as {_EVERYTHING.format(_frame(major))}"
        postgres.rows(statement, marker="fingerprint", settings=generic)
    return postgres.rows(execute, marker="fingerprint", seconds=seconds, settings=generic)


def _bare(name: str) -> str:
    return name.rpartition(".")[2].strip('"').lower()


def in_order(objects: Iterable[SchemaObject]) -> tuple[SchemaObject, ...]:
    """By kind, in the order in which they can be made, then by name; columns by their place."""
    return tuple(
        sorted(objects, key=lambda o: (_RANK[o.kind], o.parent or "", o.properties.get("position", 0), o.name))
    )


def differing_groups(
    one: Postgres, other: Postgres, *, ignored_schemas: Collection[str] = (), seconds: float = SECONDS
) -> list[tuple[str, str]]:
    """The (kind, schema) pairs that are not alike in two databases: of a large schema only these need to be read.

    Each server sums a digest of every object up, so that neither memory nor network grows with the schema.

    Raises:
        Unobservable: one of them can't be read, or not within the time.
    """
    digests = []
    for postgres in (one, other):
        statement = f"""{_frame(postgres.server_version // 10000)}
        select
            f.kind, f.space, pg_catalog.count(*) as objects,
            pg_catalog.sum(('x' || pg_catalog.substr(f.digest, 1, 16))::bit(64)::bigint)::text as high,
            pg_catalog.sum(('x' || pg_catalog.substr(f.digest, 17))::bit(64)::bigint)::text as low
        from (
            select kind, space, pg_catalog.md5(pg_catalog.concat_ws('|', name, parent, body)) as digest from found
        ) as f
        group by f.kind, f.space"""
        rows = postgres.rows(statement, [list(ignored_schemas)], marker="fingerprint", seconds=seconds)
        digests.append({(r["kind"], r["space"]): (r["objects"], r["high"], r["low"]) for r in rows})
    first, second = digests
    return sorted(g for g in first.keys() | second.keys() if first.get(g) != second.get(g))


# -- what is read ----------------------------------------------------------------------------------------------

_RIGHTS = """(
    select pg_catalog.array_agg(g.told order by g.told collate "C")
    from (
        select distinct pg_catalog.format(
            '%s to %s%s', pg_catalog.lower(x.privilege_type),
            case when x.grantee = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) end,
            case when x.is_grantable then ' with grant option' else '' end
        ) as told
        from pg_catalog.aclexplode(coalesce({0}, pg_catalog.acldefault({1}, {2}))) as x
    ) as g
)"""
_COMMENT = """(
    select k.description from pg_catalog.pg_description as k
    where k.classoid = '{0}'::regclass and k.objoid = {1} and k.objsubid = 0
)"""
_OWN = "not exists (select from member as m where m.classid = '{0}'::regclass and m.objid = {1})"
_OWNER = "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid({0}))"
_PROPERTIES = "pg_catalog.json_strip_nulls(pg_catalog.json_build_object({0}))::text"

_MACROS = {"RIGHTS": _RIGHTS, "COMMENT": _COMMENT, "OWN": _OWN, "OWNER": _OWNER}

_NOT_VALID = """(
    select true from pg_catalog.pg_constraint as nn
    where nn.conrelid = a.attrelid and nn.contype = 'n' and nn.conkey[1] = a.attnum and not nn.convalidated
)"""


def _expanded(query: str, major: int) -> str:
    """One kind's query as this version of the server takes it."""
    query = query.replace("{own}", is_own("n"))
    query = query.replace("{compression}", "nullif(a.attcompression, '')" if major >= 14 else "null")
    query = query.replace("{statistics}", "a.attstattarget" if major >= 17 else "nullif(a.attstattarget, -1)")
    query = query.replace("{not_valid}", _NOT_VALID if major >= 18 else "null")
    query = re.sub(r"PROPERTIES\((.*?)\n {4}\)", lambda m: _PROPERTIES.format(m[1]), query, count=1, flags=re.DOTALL)
    return re.sub(
        r"\b(RIGHTS|COMMENT|OWN|OWNER)\(([^()]*)\)",
        lambda m: _MACROS[m[1]].format(*(argument.strip() for argument in m[2].split(","))),
        query,
    )


def _queries() -> list[tuple[str, int, str]]:
    """(kind, first major version, query), in the order in which objects can be made; a later one of a kind replaces it."""
    text = (files("readiness.facts") / "fingerprint.sql").read_text(encoding="utf-8")
    _, *parts = re.split(r"^-- kind: ([a-z ]+)(?:, since (\d+))?\n", text, flags=re.MULTILINE)
    return [(kind, int(since or 0), query) for kind, since, query in zip(*[iter(parts)] * 3, strict=True)]


@cache
def _frame(major: int) -> str:
    by_kind = {kind: query for kind, since, query in _queries() if major >= since}
    common = by_kind.pop("common")
    union = "\nunion all\n".join(
        f"select '{kind}'::text as kind, x.* from ({_expanded(query, major)}) as x (space, name, parent, body)"
        for kind, query in by_kind.items()
    )
    return f"with {_expanded(common, major)}, found as ({union})"


KINDS: tuple[str, ...] = tuple(dict.fromkeys(kind for kind, _, _ in _queries()))
_RANK = {kind: at for at, kind in enumerate(KINDS)}
