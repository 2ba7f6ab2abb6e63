"""What text columns hold, by a sample that is bounded in rows, bytes and time, and says how large it was.

Values are looked at here and go no further: what is told of them is their shape.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from readiness.authoring import Unobservable
from readiness.facts.own import is_own
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.model import Reason, Unseen, quote_ident

CUT = 8_000  # characters of a value that are fetched
LOOKED_THROUGH = 10_000  # rows that are read at most for one column
LARGE_PAGES = 1_000  # from this size on pages are drawn, evenly over the table
ENOUGH = 3  # values; fewer tell nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class TextColumn:
    """A column and what its sampled values look like.

    Args:
        oid: its table's.
        pinned: whether something forbids a change of its type alone: a key that refers to it, a view, a rule of another's.
        values: how many values were looked at; none of them null.
        json: how many are JSON objects or arrays.
        uuid: how many are UUIDs, with or without hyphens.
        listed: how many hold several short tokens between `delimiter`s.
        tokens: how many hold one token or several.
        varied: whether they hold different numbers of tokens, or three and more.
        whole: whether every row was looked at.
    """

    schema: str
    table: str
    column: str
    estimated_rows: int | None
    oid: int
    has_default: bool
    pinned: bool = False
    values: int
    json: int
    uuid: int
    listed: int
    tokens: int
    varied: bool
    delimiter: str | None
    whole: bool

    @property
    def quoted_table(self) -> str:
        return f"{quote_ident(self.schema)}.{quote_ident(self.table)}"

    @property
    def quoted(self) -> str:
        return f"{self.quoted_table}.{quote_ident(self.column)}"

    @property
    def sample(self) -> str:
        if self.whole:
            return f"all {self.values:,} values"
        about = f" in about {self.estimated_rows:,} rows" if self.estimated_rows else ""
        return f"{self.values:,} values drawn{about}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSamples:
    """The sampled text columns with values enough to tell, and the tables that could not be sampled."""

    columns: tuple[TextColumn, ...]
    unseen: tuple[Unseen, ...]

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        probing = target.profile.probing
        ends = postgres.clock() + probing.sample_seconds
        columns: list[TextColumn] = []
        unseen: list[Unseen] = []
        tables: dict[int, list[dict[str, Any]]] = {}
        for row in postgres.rows(_COLUMNS, (list(target.ignored_schemas),), marker="text-columns"):
            tables.setdefault(row["oid"], []).append(row)
        for rows in tables.values():
            first = rows[0]
            quoted = f"{quote_ident(first['schema'])}.{quote_ident(first['name'])}"
            if postgres.clock() > ends:
                detail = f"the time for sampling ({probing.sample_seconds:g} s) was over"
                unlock = "raise probing.sample_seconds"
                unseen.append(Unseen(subject=quoted, reason=Reason.TIMEOUT, detail=detail, unlock=unlock, kind="table"))
                continue
            try:
                columns += _sample(postgres, rows, quoted, probing.sample_rows)
            except Unobservable as refusal:
                unseen.append(
                    Unseen(
                        subject=quoted,
                        reason=refusal.reason,
                        detail=refusal.detail,
                        unlock=refusal.unlock,
                        kind="table",
                    )
                )
        asked = [c for c in columns if c.json or c.uuid or c.listed]
        parameters = ([c.oid for c in asked], [c.column for c in asked])
        rows = postgres.rows(_PINNED, parameters, marker="text-columns-held") if asked else []
        held = {(row["oid"], row["column"]) for row in rows}
        return cls(
            columns=tuple(replace(c, pinned=(c.oid, c.column) in held) for c in columns),
            unseen=tuple(unseen),
        )


def _sample(postgres: Postgres, rows: Sequence[dict[str, Any]], quoted: str, wanted: int) -> list[TextColumn]:
    first = rows[0]
    if first["foreign_parts"]:
        raise Unobservable(Reason.NOT_OBSERVABLE, "a part of it lies on a foreign server, which is never asked")
    if missing := [row["column"] for row in rows if not row["readable"]]:
        role, schema = quote_ident(first["role"]), quote_ident(first["schema"])
        raise Unobservable(
            Reason.NO_PERMISSION,
            f"the role may not read {', '.join(missing[:3])}{'...' if len(missing) > 3 else ''}",
            f"grant usage on schema {schema} to {role}; grant select on all tables in schema {schema} to {role};",
        )
    large = first["pages"] > LARGE_PAGES
    share = min(100.0, 100.0 * 200 / first["pages"]) if large else 100.0
    # The same pages each time, so that two audits of an unchanged table see the same.
    drawn = f" tablesample system ({share:.6f}) repeatable (0)" if large else ""
    parts = []
    for at, row in enumerate(rows):
        name = quote_ident(row["column"])
        parts.append(
            f"(select {at} as at, pg_catalog.left(v::pg_catalog.text, {CUT}) as value, "
            f"pg_catalog.right(v::pg_catalog.text, 1) as last, pg_catalog.length(v::pg_catalog.text) as length "
            f"from (select {name} as v from {quoted}{drawn} limit {LOOKED_THROUGH}) as s "
            f"where v is not null limit {wanted})"
        )
    found: dict[int, list[tuple[str, str, int]]] = {}
    for row in postgres.rows(" union all ".join(parts), marker=f"sample:{first['schema']}.{first['name']}"):
        found.setdefault(row["at"], []).append((row["value"], row["last"], row["length"]))
    whole = not large and all(len(values) < wanted for values in found.values())
    return [look(row, values, whole=whole) for at, row in enumerate(rows) if len(values := found.get(at, [])) >= ENOUGH]


def look(row: dict[str, Any], values: Sequence[tuple[str, str, int]], *, whole: bool) -> TextColumn:
    """What a column's values look like; each comes as (its beginning, its last character, its length)."""
    texts = [value for value, _, _ in values]
    delimiter, listed, tokens, varied = lists_in(texts)
    return TextColumn(
        schema=row["schema"],
        table=row["name"],
        column=row["column"],
        estimated_rows=row["rows"],
        oid=row["oid"],
        has_default=row["has_default"],
        values=len(values),
        json=sum(is_json(*value) for value in values),
        uuid=sum(bool(_UUID.fullmatch(text)) for text in texts),
        listed=listed,
        tokens=tokens,
        varied=varied,
        delimiter=delimiter,
        whole=whole,
    )


_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


def is_json(beginning: str, last: str, length: int) -> bool:
    """Whether a value is a JSON object or array; one longer than what was fetched is told by both its ends."""
    text = beginning.lstrip()
    if not text.startswith(("{", "[")):
        return False
    if length > len(beginning):
        opened = re.match(r'\{\s*("|\})|\[\s*(\{|\[|"|-?\d|t|f|n|\])', text)
        return bool(opened) and (last in "]}" or last.isspace())
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


_TOKEN = re.compile(r"[\w@+#/.:-]{1,48}")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMAL = re.compile(r"[-+]?\d+(,\d{1,2})?")


def lists_in(texts: Sequence[str]) -> tuple[str | None, int, int, bool]:
    """Whether values are lists of short tokens: the delimiter, how many hold several tokens, how many hold tokens at
    all, and whether their number varies (`Doe,John` and `52.5,13.4` are pairs, not lists; nor are `3` and `3,75`, which
    many countries write so).
    """
    best: tuple[str | None, int, int, bool] = (None, 0, 0, False)
    for delimiter in ",;|":
        split = re.compile(rf"\s?{re.escape(delimiter)}\s?")
        numbers: Counter[int] = Counter()
        for text in texts:
            parts = split.split(text.strip())
            if all(map(_TOKEN.fullmatch, parts)) and not (delimiter == "," and _THOUSANDS.fullmatch(text.strip())):
                numbers[len(parts)] += 1
        several = sum(n for count, n in numbers.items() if count > 1)
        if several > best[1]:
            varied = max(numbers) > 2 or (len(numbers) > 1 and not _decimals(texts, delimiter))
            best = (delimiter, several, numbers.total(), varied)
    return best


def _decimals(texts: Sequence[str], delimiter: str) -> bool:
    return delimiter == "," and all(_DECIMAL.fullmatch(text.strip()) for text in texts)


_COLUMNS = f"""
with recursive parts as (
    -- what a partitioned table is made of: a foreign part must never be read
    select c.oid as root, c.oid as part, c.relkind
    from pg_catalog.pg_class as c
    where c.relkind = 'p' and not c.relispartition
    union all
    select p.root, child.oid, child.relkind
    from parts as p
    inner join pg_catalog.pg_inherits as i on p.part = i.inhparent
    inner join pg_catalog.pg_class as child on i.inhrelid = child.oid
),
base_types as (
    -- a domain over text is text
    select t.oid
    from pg_catalog.pg_type as t
    where t.oid in ('text'::pg_catalog.regtype, 'varchar'::pg_catalog.regtype, 'bpchar'::pg_catalog.regtype)
    union all
    select d.oid
    from base_types as b
    inner join pg_catalog.pg_type as d on b.oid = d.typbasetype and d.typtype = 'd'
)
select
    c.oid::int8 as oid,
    ns.nspname::text as schema,
    c.relname::text as name,
    a.attname::text as column,
    current_user::text as role,
    coalesce((select pg_catalog.sum(l.relpages) from parts as p inner join pg_catalog.pg_class as l on p.part = l.oid
        where p.root = c.oid), c.relpages)::int8 as pages,
    nullif(case when c.reltuples < 0 then 0 else c.reltuples end, 0)::int8 as rows,
    exists (select from parts as p where p.root = c.oid and p.relkind = 'f') as foreign_parts,
    a.atthasdef as has_default,
    pg_catalog.has_column_privilege(c.oid, a.attnum, 'select')
    and pg_catalog.has_schema_privilege(ns.oid, 'usage') as readable
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped
inner join base_types as b on a.atttypid = b.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and c.relpersistence <> 't'
    and ns.nspname !~ '^pg_'
    and ns.nspname <> 'information_schema'
    and ns.nspname <> all ($1::text[])
    and not {is_own()}
    and not exists (
        select
        from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
    )
order by ns.nspname, c.relname, a.attnum
"""

# Asked of the columns alone that may get a remedy: a look for each column of a large catalog costs more than all the rest.
_PINNED = """
select a.attrelid::int8 as oid, a.attname::text as column
from rows from (pg_catalog.unnest($1::pg_catalog.oid[]), pg_catalog.unnest($2::text[])) as asked (relid, name)
inner join pg_catalog.pg_class as c on asked.relid = c.oid
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid and asked.name = a.attname
where
    a.attgenerated <> ''
    or a.attinhcount > 0
    or exists (
        select
        from pg_catalog.pg_partitioned_table as pt
        where pt.partrelid = c.oid and a.attnum = any (pt.partattrs::pg_catalog.int2[])
    )
    or exists (
        -- Plain indexes, primary and unique keys are built anew, and the column's own default is dropped before.
        select
        from pg_catalog.pg_depend as d
        left join pg_catalog.pg_attrdef as def
            on d.objid = def.oid and d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
        left join pg_catalog.pg_constraint as con
            on d.objid = con.oid and d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
        left join pg_catalog.pg_index as ix
            on d.objid = ix.indexrelid and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        where
            d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and d.refobjid = c.oid
            and d.refobjsubid = a.attnum
            and case d.classid
                when 'pg_catalog.pg_attrdef'::pg_catalog.regclass then def.adnum is distinct from a.attnum
                when 'pg_catalog.pg_constraint'::pg_catalog.regclass then con.contype in ('c', 'f', 'x')
                when 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass then false
                when 'pg_catalog.pg_class'::pg_catalog.regclass
                    then d.objsubid > 0
                    or d.objid = c.oid
                    or ix.indexprs is not null
                    or ix.indpred is not null
                    or exists (
                        select
                        from pg_catalog.pg_opclass as oc
                        where
                            oc.oid = any (pg_catalog.string_to_array(ix.indclass::text, ' ')::pg_catalog.oid[])
                            and not oc.opcdefault
                    )
                else true
            end
    )
"""
