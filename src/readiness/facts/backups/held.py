"""What a dump says that it holds, beside the tables that its database has.

A dump tells no transaction number, and a catalog no time. Whether a table that a dump lacks was there when it was made shows in
the numbers that the server gives its objects one after another (oid): one below the highest of those in the dump was. An archive
tells them (dumputils.c, pg_backup_archiver.c); of plain SQL they are taken of the tables that it names, which may have been
made anew. Above them all stands a table that came later, or one that was left out of a dump of some tables only.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median_low

from readiness.authoring import Unobservable
from readiness.facts.postgres import Postgres

OF_THE_WHOLE = frozenset(
    {"EXTENSION", "BLOB", "BLOBS", "BLOB METADATA", "PUBLICATION", "EVENT TRIGGER", "PROCEDURAL LANGUAGE"}
    | {"FOREIGN DATA WRAPPER", "SERVER", "CAST"}
)
"""Kinds that pg_dump leaves out of what it takes by table or schema (-t, -n)."""

_FIRST_OWN = 16384  # FirstNormalObjectId
_HALF = 1 << 31
_FEWEST = 3
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the database that keeps rows: permanent, and no extension's.

    Args:
        empty: it never had a row, as far as the statistics tell.
        since: when it was made, or renamed; None where the server doesn't keep when transactions were committed.
    """

    oid: int
    empty: bool
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The database whose dumps these should be.

    Args:
        names: by which one comes to it: a pooler may have one of its own.
        others: the other databases of its server.
        tables: schema.name -> those that keep rows; or why they couldn't be read.
        beside: the other ones: partitioned, unlogged, or an extension's.
        left_out: those whose rows are left out on purpose: names, `*` is any text.
    """

    names: Container[str]
    others: Container[str] = ()
    tables: Mapping[str, Table] | str
    beside: frozenset[str] = frozenset()
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class Held:
    """What a dump lists.

    Args:
        defined: schema.name of its tables -> the oid, 0 where it isn't told.
        filled: of those whose rows are in it.
        newest: the highest oid of all that is in it; 0 where none is told.
        oldest: the lowest.
        whole: it holds what is left out of a dump of some tables only.
    """

    defined: dict[str, int] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)
    newest: int = 0
    oldest: int = 0
    whole: bool = False

    def number(self, oid: int) -> None:
        if oid >= _FIRST_OWN:
            self.newest, self.oldest = max(self.newest, oid), min(self.oldest or oid, oid)


def one_sided(held: Held, without_rows: Container[str] = ()) -> str | None:
    """What is missing of a dump that has only one of both; an empty database has neither."""
    if held.filled:
        return None if held.defined else "it holds rows without their tables (pg_dump --data-only)"
    with_rows = [name for name in held.defined if name not in without_rows]
    return "it holds tables without their rows (pg_dump --schema-only)" if with_rows else None


def lacking(held: Held, database: Database, made_at: datetime, slack: timedelta) -> tuple[str | None, str | None]:
    """Which tables' rows are not in it that should be: what is wrong with it, or why that can't be told.

    Args:
        slack: how much earlier than `made_at` it may have been begun.
    """
    if isinstance(database.tables, str):
        return None, f"which tables should be in it can't be told: {database.tables}"
    tables = {_plain(name): table for name, table in database.tables.items()}
    numbers = _numbered(held, tables)
    renamed = set(held.filled.values()) if numbers else set()
    missing = {
        name: table
        for name, table in tables.items()
        if name not in held.filled
        and table.oid not in renamed
        and not any(_covers(pattern, name) for pattern in database.left_out)
        and not (table.since is not None and table.since > made_at)
    }
    # By name alone, a table that was renamed since is one that is missing and one that is gone.
    gone = 0 if numbers else sum(name not in tables and name not in database.beside for name in held.filled)
    known = sorted(tables[name].oid for name in held.filled if name in tables)
    if numbers:
        below = above = held.newest
    else:  # a table that was made anew has a higher one: half of them hardly were
        below = median_low(known) if not held.newest and len(known) >= _FEWEST else 0
        above = max(known, default=0)
    left_out = [
        name
        for name, table in missing.items()
        if (name in held.defined and (held.defined[name] == table.oid or not numbers))
        or (table.oid < below and len(missing) > gone)
        or (table.since is not None and table.since < made_at - slack)
    ]
    if left_out:
        return f"it lacks the rows of {_listed(left_out)} (pg_dump -t, -n, -T or --exclude-table-data)", None
    later = [name for name, table in missing.items() if not table.empty and not (held.whole and table.oid > above)]
    if later:
        return None, f"{_listed(later)}: made after it, or left out of it (pg_dump -t, -n)"
    return None, None


def _numbered(held: Held, tables: Mapping[str, Table]) -> bool:
    """Whether the dump's oids are this database's, in the order in which they were given."""
    both = [(oid, tables[name].oid) for name, oid in held.filled.items() if oid and name in tables]
    same = sum(there == here for there, here in both)
    return same * 2 > len(both) and held.newest - held.oldest < _HALF


def _listed(names: Iterable[str]) -> str:
    every = sorted(names)
    more = f" and {len(every) - _MOST_NAMED} more" if len(every) > _MOST_NAMED else ""
    return ", ".join(every[:_MOST_NAMED]) + more


def _covers(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), name, re.DOTALL) is not None


def _plain(name: str) -> str:
    """As a comment of plain SQL has it (sanitize_line)."""
    return name.replace("\n", " ").replace("\r", " ")


# -- plain SQL -------------------------------------------------------------------------------------------------------

_HEADER = re.compile(
    rb"\n-- (?P<data>Data for )?Name: (?P<name>[^\r\n]*); Type: (?P<kind>[A-Z ]+); Schema: (?P<schema>[^\r\n]*?)(?:; Owner: [^\r\n]*)?\r?\n"
)
_CONNECT = re.compile(rb"\n\\connect (?P<to>[^\r\n]+)\r?\n")
_NAMED = re.compile(r"dbname='((?:[^'\\]|\\.)*)'")
_OVERLAP = 1024  # what a header takes at most: two names of 63 bytes, an owner's, a tablespace's


@dataclass(slots=True)
class PlainText:
    """Reads plain SQL piece by piece: what its comments say stands below them, by database where it changes that."""

    databases: dict[str, Held] = field(default_factory=dict)
    _current: str = ""
    _rest: bytes = b"\n"

    def take(self, piece: bytes) -> None:
        text = self._rest + piece
        done = 0
        for at in _places(text):
            if (found := _HEADER.match(text, at)) is not None:
                self._header(found)
            elif (found := _CONNECT.match(text, at)) is not None:
                self._current = _database(found["to"].decode("utf-8", "replace"))
                self.databases.setdefault(self._current, Held())
            else:
                continue
            done = found.end() - 1
        self._rest = text[max(done, len(text) - _OVERLAP) :]

    def _header(self, found: re.Match[bytes]) -> None:
        held = self.databases.setdefault(self._current, Held())
        kind = found["kind"].decode()
        name = f"{found['schema'].decode('utf-8', 'replace')}.{found['name'].decode('utf-8', 'replace')}"
        if kind == "TABLE DATA" and found["data"]:
            held.filled[name] = 0
        elif kind == "TABLE":
            held.defined[name] = 0
        held.whole = held.whole or kind in OF_THE_WHOLE

    @property
    def last(self) -> str:
        """The database that it is for, if it tells."""
        return self._current

    def together(self) -> Held:
        every = Held()
        for held in self.databases.values():
            every.defined |= held.defined
            every.filled |= held.filled
            every.whole = every.whole or held.whole
        return every


def _places(text: bytes) -> Iterator[int]:
    """Where a header or a change of the database may begin, in their order."""
    marks = (b"\n-- ", b"\n\\connect ")
    at = [text.find(mark) for mark in marks]
    while (here := min((place for place in at if place >= 0), default=-1)) >= 0:
        yield here
        at = [text.find(mark, here + 1) if place == here else place for mark, place in zip(marks, at, strict=True)]


def _database(told: str) -> str:
    named = _NAMED.search(told.replace('""', '"'))
    return re.sub(r"\\(.)", r"\1", named[1]) if named else told.strip().strip('"')


# -- the database ----------------------------------------------------------------------------------------------------


def tables(postgres: Postgres) -> tuple[Mapping[str, Table] | str, frozenset[str]]:
    """As `Database.tables` and `.beside`."""
    try:
        rows = postgres.rows(_TABLES, marker="backups")
    except Unobservable as refusal:
        return refusal.detail, frozenset()
    return {
        row["name"]: Table(oid=row["oid"], empty=row["empty"], since=_moment(row["since"]))
        for row in rows
        if row["keeps"]
    }, frozenset(row["name"] for row in rows if not row["keeps"])


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


# Statistics are each server's own: on a standby nothing was ever inserted.
_TABLES = """
select
    c.oid::int8 as oid,
    n.nspname || '.' || c.relname as name,
    (
        c.relkind = 'r'
        and c.relpersistence = 'p'
        and not exists (
            select 1
            from pg_catalog.pg_depend as d
            where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
        )
    ) as keeps,
    (
        c.relpages = 0
        and c.reltuples <= 0
        and pg_catalog.pg_stat_get_tuples_inserted(c.oid) = 0
        and not pg_catalog.pg_is_in_recovery()
    ) as empty,
    case
        when pg_catalog.current_setting('track_commit_timestamp') = 'on'
            then extract(epoch from pg_catalog.pg_xact_commit_timestamp(t.xmin))::pg_catalog.float8
    end as since
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
left join pg_catalog.pg_type as t on c.reltype = t.oid
where
    c.relkind in ('r', 'p')
    and n.nspname <> 'information_schema'
    and n.nspname !~ '^pg_'
order by c.oid
"""
