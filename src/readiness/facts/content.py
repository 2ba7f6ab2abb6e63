"""The content of a database: for every table how many rows it holds, and sums over a digest of each row.

The sums don't depend on the order of rows, add up over chunks, and count duplicates. What a row's digest is made of doesn't
depend on a session's settings, on TOAST or on the order of columns. A row's digest is of:

    fast       64 bits: hash_record_extended() over the row, each column by its bytes: what the type's own hash would take for
               equal (1.0 and 1.00, 0 and -0, 24 hours and a day) goes in as its binary or text form. PostgreSQL 14 and later;
               comparable within one major version and kind of machine.
    portable   128 bits: md5() over the row's text: comparable between versions and machines, at several times the cost. Its
               halves are summed each.

That a difference which nobody made to fit goes unseen has a probability of about 2^-64: neither method, nor a second hash beside
the first, would hold against somebody who makes one, since sums can be made to fit.

Between a cluster and its physical copy a large table may be read by version, for less than half of that: a row's digest is of its
place and of the transaction that wrote it. No version of a row is ever changed where it lies: one that both have at a place, by
the same transaction of the same timeline, is the same, on pages that are as they were written. Whether they are is for the
copy's proofs to say, which is why some of the blocks, others each time, are read by content all the same.

Everything is read in one snapshot, exported to the workers.
"""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias

import psycopg
from psycopg import conninfo, sql

from readiness.facts.own import is_own
from readiness.facts.postgres import parse_dsn

CHUNK_BLOCKS = 8192  # 64 MB
_NO_BLOCK = 2**32 - 1  # no relation has one of this number (InvalidBlockNumber, block.h)
BY_CONTENT = 16  # of so many chunks one is read by content where the others are read by version
LOCK_SECONDS = 2

Session: TypeAlias = psycopg.Connection[Any]


class Method(StrEnum):
    """How digests are made, by the name that a file bears: another way of making them needs another name."""

    FAST = "fast/2"
    PORTABLE = "portable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column as it goes into a row's digest.

    Args:
        name: the order of names is the order in the digest, whatever the table's is.
        type: as format_type() writes it, without its modifier; `typmod` with it is what is compared.
        expression: where its value comes from; `t` is the table.
        how: value, send, text or collate: what of it goes into the fast digest.
    """

    name: str
    type: str
    full_type: str
    expression: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table whose rows are digested.

    Args:
        name: qualified and quoted; of the state before the migration, where changes are declared.
        relations: (relation, blocks): itself, or the partitions that hold its rows.
        joins: what the expressions need beside the table.
        key: expressions that tell a row; empty where it has no primary key.
        mark: moves with every write: what was read under another mark is read again.
        by_range: whether a range of its blocks is read without what lies around it: by PostgreSQL 14 and later, not in another
            access method's files.
        salt: chooses the blocks that are read by content though the others are by version; None where all are.
    """

    name: str
    oid: int
    relations: tuple[tuple[str, int], ...]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    joins: str = ""
    mark: str = ""
    by_range: bool = True
    salt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    rows: int
    high: int
    low: int

    def __add__(self, other: Sums) -> Sums:
        return Sums(rows=self.rows + other.rows, high=self.high + other.high, low=self.low + other.low)


NOTHING = Sums(rows=0, high=0, low=0)

_GUARDS: Mapping[str, str] = {
    "search_path": "pg_catalog",
    "row_security": "off",  # a filtered answer is an error, not a smaller answer
    "lock_timeout": f"{LOCK_SECONDS}s",
    "max_parallel_workers_per_gather": "0",  # our own workers are the parallelism
    "jit": "off",
    "enable_tidscan": "on",  # ranges of blocks are not looked for in the whole table
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmloption": "content",
    "idle_in_transaction_session_timeout": "0",
}


@contextmanager
def session(dsn: str, *, snapshot: str | None = None, seconds: float) -> Iterator[Session]:
    """A read-only session in one snapshot, its own or an exported one.

    Args:
        seconds: the server's limit for one statement.
    """
    parameters = parse_dsn(dsn)
    with psycopg.connect(
        conninfo.make_conninfo("", **parameters), autocommit=True, prepare_threshold=None
    ) as connection:
        connection.execute("begin /* readiness:snapshot */ transaction isolation level repeatable read read only")
        if snapshot is not None:
            connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
        settings = {**_GUARDS, "statement_timeout": f"{round(seconds * 1000)}ms"}
        if connection.info.server_version >= 140000:
            settings["client_connection_check_interval"] = "1s"
        connection.execute(
            sql.SQL("select {}").format(
                sql.SQL(", ").join(
                    sql.SQL("pg_catalog.set_config({}, {}, true)").format(sql.Literal(n), sql.Literal(v))
                    for n, v in settings.items()
                )
            )
        )
        yield connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which database it is, and what the comparability of digests hangs on.

    Args:
        system_identifier: as `Server` has it.
        machine: endianness and word size, by the server's own banner.
    """

    database: str
    major: int
    machine: str
    encoding: str
    system_identifier: str | None

    @property
    def fastest(self) -> Method:
        """How digests are made where both sides are of this version and kind of machine."""
        return Method.FAST if self.major >= 14 else Method.PORTABLE


def where(connection: Session) -> Where:
    row = connection.execute(
        "select pg_catalog.current_database(), pg_catalog.version(), pg_catalog.pg_encoding_to_char(d.encoding), "
        "pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute') "
        "from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database()"
    ).fetchone()
    assert row is not None
    database, banner, encoding, may = row
    identifier = None
    if may:
        (system,) = connection.execute(
            "select s.system_identifier::text from pg_catalog.pg_control_system() as s"
        ).fetchone() or (None,)
        identifier = hashlib.sha256(f"{system}/{database}".encode()).hexdigest()[:16]
    machine = next((part.split("-")[0] for part in banner.split() if part.count("-") >= 2), "")
    return Where(
        database=database,
        major=connection.info.server_version // 10000,
        machine=machine,
        encoding=encoding,
        system_identifier=identifier,
    )


# Types whose hash function looks at every byte that can differ.
_BY_VALUE = frozenset(
    {"bool", "int2", "int4", "oid", "uuid", "date", "bytea", "char", "name", "inet", "cidr", "macaddr", "macaddr8"}
)
# Types whose binary form is exact and cheap, where their hash takes different values for equal ones, or folds 64 bits into
# 32 (1 and 2^32 are alike for hashint8(), and so for every type that is made of eight bytes).
_BY_SEND: Mapping[str, str] = {
    "int8": "int8send",
    "time": "time_send",
    "timestamp": "timestamp_send",
    "timestamptz": "timestamptz_send",
    "float4": "float4send",
    "float8": "float8send",
    "numeric": "numeric_send",
    "interval": "interval_send",
    "timetz": "timetz_send",
    "money": "cash_send",
}
_BY_COLLATION = frozenset({"text", "varchar", "bpchar"})

_TABLES = f"""
select
    c.oid::bigint as oid, c.oid::regclass::text as name, c.relkind::text as kind,
    array(
        select a.attname from pg_catalog.pg_index as i
        cross join pg_catalog.unnest(i.indkey::int2[]) with ordinality as k (number, at)
        inner join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum = k.number
        where i.indrelid = c.oid and i.indisprimary order by k.at
    )::text[] as key,
    case when c.relkind = 'r' then
        pg_catalog.pg_relation_filenode(c.oid)::text || '/' || (
            select s.n_tup_ins + s.n_tup_upd + s.n_tup_del from pg_catalog.pg_stat_all_tables as s where s.relid = c.oid
        )::text
    else (
        select pg_catalog.string_agg(
            pg_catalog.pg_relation_filenode(l.relid)::text || '/' || (s.n_tup_ins + s.n_tup_upd + s.n_tup_del)::text,
            ' ' order by l.relid
        )
        from pg_catalog.pg_partition_tree(c.oid) as l
        inner join pg_catalog.pg_stat_all_tables as s on l.relid = s.relid
        where l.isleaf
    ) end as mark,
    array(
        select l.relid::regclass::text from pg_catalog.pg_partition_tree(c.oid) as l
        inner join pg_catalog.pg_class as p on p.oid = l.relid
        where l.isleaf and p.relkind = 'r'
    )::text[] as leaves,
    exists (
        select from pg_catalog.pg_partition_tree(c.oid) as l
        inner join pg_catalog.pg_class as p on p.oid = l.relid
        where p.relkind = 'f'
    ) as foreign_leaf,
    not exists (
        select from (
            select c.relam as am where c.relkind = 'r'
            union all
            select p.relam from pg_catalog.pg_partition_tree(c.oid) as l
            inner join pg_catalog.pg_class as p on p.oid = l.relid
            where c.relkind = 'p' and l.isleaf and p.relkind = 'r'
        ) as l
        inner join pg_catalog.pg_am as a on l.am = a.oid
        where a.amname <> 'heap'
    ) as heap
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where
    c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname <> all(%s::text[])
    and not {is_own("n")}
    and not exists (
        select from pg_catalog.pg_depend as d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
order by 2
"""

_COLUMNS = """
select
    a.attrelid::bigint, a.attname, pg_catalog.format_type(a.atttypid, null), pg_catalog.format_type(a.atttypid, a.atttypmod),
    b.typname, b.typtype::text
from pg_catalog.pg_attribute as a
inner join pg_catalog.pg_type as t on a.atttypid = t.oid
inner join pg_catalog.pg_type as b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
where a.attrelid = any(%s::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attname collate "C"
"""


def tables(connection: Session, *, ignored_schemas: Sequence[str] = ()) -> tuple[list[Table], dict[str, str]]:
    """Every table, and those that can't be read: name -> why (rows that lie on another server)."""
    found, unseen = list[Table](), dict[str, str]()
    rows = connection.execute(_TABLES, [list(ignored_schemas)]).fetchall()
    columns: dict[int, list[Column]] = {}
    for oid, name, kind, full, base, form in connection.execute(_COLUMNS, [[row[0] for row in rows]]):
        columns.setdefault(oid, []).append(
            Column(
                name=name, type=kind, full_type=full, expression=f"t.{_quoted(connection, name)}", how=_how(base, form)
            )
        )
    inside = {row[1]: row[5] if row[2] == "p" else [row[1]] for row in rows if not row[6]}
    sizes, refused = _sizes(connection, inside)
    unseen |= refused
    for oid, name, _, key, mark, _, foreign_leaf, heap in rows:
        if foreign_leaf:
            unseen[name] = "a partition of it lies on another server"
        if name in unseen:
            continue
        relations = tuple((relation, sizes[relation]) for relation in inside[name])
        own = tuple(columns.get(oid, ()))
        found.append(
            Table(
                name=name,
                oid=oid,
                relations=relations,
                columns=own,
                key=tuple(f"t.{_quoted(connection, k)}" for k in key),
                mark=mark or "",
                by_range=heap and connection.info.server_version >= 140000,
            )
        )
    return found, unseen


def _sizes(connection: Session, tables: Mapping[str, Sequence[str]]) -> tuple[dict[str, int], dict[str, str]]:
    """The blocks of each relation of some tables; and of which tables they can't be had, as one is locked or gone by now."""
    try:
        with connection.transaction():
            return {relation: _blocks(connection, relation) for inside in tables.values() for relation in inside}, {}
    except psycopg.Error as error:
        if connection.closed:
            raise
        if len(tables) == 1:
            return {}, dict.fromkeys(tables, " ".join((error.diag.message_primary or str(error)).split()))
    sizes, refused = dict[str, int](), dict[str, str]()
    for name, inside in tables.items():
        one, why = _sizes(connection, {name: inside})
        sizes |= one
        refused |= why
    return sizes, refused


def _how(base: str, form: str) -> str:
    if form != "b":
        return "text"  # an enum's own hash is over its oid, a composite's over those of its parts
    if base in _BY_VALUE:
        return "value"
    if base in _BY_COLLATION:
        return "collate"
    return f"send {_BY_SEND[base]}" if base in _BY_SEND else "text"


def _quoted(connection: Session, name: str) -> str:
    return sql.Identifier(name).as_string(connection)


def _blocks(connection: Session, relation: str) -> int:
    row = connection.execute(
        "select pg_catalog.pg_relation_size(%s::regclass) / pg_catalog.current_setting('block_size')::int",
        [relation],
    ).fetchone()
    assert row is not None
    return int(row[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A range of a relation's blocks; the last of a relation has no end, so that nothing is left behind it."""

    relation: str
    first: int
    end: int | None


def chunks(table: Table, *, blocks: int = CHUNK_BLOCKS) -> list[Chunk]:
    found = []
    for relation, size in table.relations:
        starts = list(range(0, max(size, 1), blocks)) if table.by_range else [0]
        ends: list[int | None] = [*starts[1:], None]
        found += [Chunk(relation=relation, first=first, end=end) for first, end in zip(starts, ends, strict=True)]
    return found


_IN_ITS_PAGES = """
select c.oid::bigint
from pg_catalog.unnest(%s::oid[]) as o (oid)
inner join pg_catalog.pg_class as c on o.oid = c.oid
where not exists (
    select from (
        select c.oid where c.relkind = 'r'
        union all
        select l.relid from pg_catalog.pg_partition_tree(c.oid) as l where c.relkind = 'p' and l.isleaf
    ) as l
    inner join pg_catalog.pg_class as p on l.oid = p.oid
    where
        (p.reltoastrelid <> 0 and pg_catalog.pg_relation_size(p.reltoastrelid) > 0)
        or exists (select from pg_catalog.pg_attribute as m where m.attrelid = p.oid and m.atthasmissing)
)
"""


def by_version(connection: Session, tables: Sequence[Table], salt: str) -> list[Table]:
    """The same tables, large ones to be read by version.

    Not those whose rows have parts elsewhere: in a TOAST table, in the catalog (columns that came with a default), in another
    access method's files.

    Args:
        salt: the same for both sides of a comparison, another each time.
    """
    large = [t.oid for t in tables if t.by_range and sum(blocks for _, blocks in t.relations) > CHUNK_BLOCKS]
    whole = {oid for (oid,) in connection.execute(_IN_ITS_PAGES, [large])}
    return [replace(t, salt=salt) if t.oid in whole else t for t in tables]


def _by_version(table: Table, chunk: Chunk) -> bool:
    if table.salt is None:
        return False
    return zlib.crc32(f"{table.salt} {chunk.relation} {chunk.first}".encode()) % BY_CONTENT != 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Digest:
    """SQL for a row's digest.

    Args:
        below: is selected as h, once for each row.
        high, low: of h; no low where one number holds the digest.
        over: the aggregate over a chunk's rows.
    """

    below: str
    high: str
    low: str | None = None
    over: str = "sum"

    @property
    def fence(self) -> str:
        """Behind what is selected below: h is made once though it is used twice. Where it is used once, it costs a step."""
        return " offset 0" if self.low else ""


# age() is the shortest way from a transaction's number to one that can be hashed: it counts back from the next one, modulo 2^32.
# What isn't a transaction's number (1, and 2 of rows that PostgreSQL before 9.4 froze) has one age for ever, so that such rows differ
# by version, and are compared by content; so do all, should the next number pass a multiple of 2^31 between source and copy.
_NEXT = "(select pg_catalog.age('3'::xid)::bigint + 3)"
_XMIN = f"{_NEXT} - pg_catalog.age(t.xmin)"
# No two rows of a relation have one place: none takes another out of the exclusive or, which takes less than a sum.
_VERSION = _Digest(below=f"pg_catalog.hashtidextended(t.ctid, {_XMIN}) as h", high="h", over="bit_xor")


def _digest(table: Table, method: Method, encoding: str) -> _Digest:
    ordered = sorted(table.columns, key=lambda c: c.name)
    if method is Method.PORTABLE:
        row = f"row({', '.join(c.expression for c in ordered)})::text"
        # the same characters are other bytes in another encoding
        body = (
            f"pg_catalog.md5({row})" if encoding == "UTF8" else f"pg_catalog.md5(pg_catalog.convert_to({row}, 'UTF8'))"
        )
        return _Digest(
            below=f"{body} as h",
            high="('x' || pg_catalog.substr(h, 1, 16))::bit(64)::bigint",
            low="('x' || pg_catalog.substr(h, 17))::bit(64)::bigint",
        )
    row = f"row({', '.join(_fast(c) for c in ordered)})"
    # A record's hash is a linear combination of its columns' hashes, and the sum of linear combinations doesn't see two rows
    # exchange a value. As the seed of another hash (of anything) it is mixed, all of its 64 bits, for next to nothing.
    return _Digest(below=f"pg_catalog.hashint4extended(0, pg_catalog.hash_record_extended({row}, 0)) as h", high="h")


def _fast(column: Column) -> str:
    match column.how.split():
        case ["value"]:
            return column.expression
        case ["collate"]:
            return f'{column.expression} collate "C"'
        case ["send", function]:
            return f"pg_catalog.{function}({column.expression})"
        case _:
            return f'{column.expression}::text collate "C"'


def _from(table: Table, chunk: Chunk) -> str:
    of = f"from only {chunk.relation} as t{table.joins}"
    ranges = [f"t.ctid >= '({chunk.first},0)'::tid"] if chunk.first else []
    ranges += [f"t.ctid < '({chunk.end},0)'::tid"] if chunk.end is not None else []
    return f"{of} where {' and '.join(ranges)}" if ranges else of


def sums(connection: Session, table: Table, chunk: Chunk, method: Method, encoding: str) -> Sums:
    """A chunk's rows, summed up by the server."""
    digest = _VERSION if _by_version(table, chunk) else _digest(table, method, encoding)
    low = f"pg_catalog.sum({digest.low})::text" if digest.low else "'0'"
    statement = (
        f"select /* readiness:snapshot */ pg_catalog.count(*), pg_catalog.{digest.over}({digest.high})::text, {low} "
        f"from (select {digest.below} {_from(table, chunk)}{digest.fence}) as q"
    )
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return Sums(rows=row[0], high=int(row[1] or 0), low=int(row[2] or 0))


def blocks(
    connection: Session, table: Table, chunk: Chunk, method: Method, encoding: str
) -> set[tuple[int, int, str, str]]:
    """(block, rows, high, low) of each block of a chunk that holds rows: what one statement tells of which blocks differ."""
    digest = _VERSION if _by_version(table, chunk) else _digest(table, method, encoding)
    low = f"pg_catalog.sum({digest.low})::text" if digest.low else "'0'"
    with connection.transaction():  # what is refused must not end the session's
        end = chunk.end if chunk.end is not None else _blocks(connection, chunk.relation)
        # Each block's rows by themselves take little more than those of the chunk; in groups they take twice the time.
        statement = (
            f"select /* readiness:snapshot */ b.number, s.rows, s.high, s.low "
            f"from pg_catalog.generate_series({chunk.first}::bigint, {end - 1}) as b (number) "
            f"cross join lateral (select pg_catalog.count(*) as rows, pg_catalog.{digest.over}({digest.high})::text as high, "
            f"{low} as low from (select {digest.below} {_from_blocks(table, chunk.relation, 'b.number', 'b.number + 1')}"
            f"{digest.fence}) as q) as s where s.rows > 0"
        )
        return set(connection.execute(statement.encode()))


def _from_blocks(table: Table, relation: str, first: str, end: str) -> str:
    """Of blocks that another part of the statement tells; a lateral query that is planned by itself reads these alone."""
    return (
        f"from only {relation} as t{table.joins} "
        f"where t.ctid >= ('(' || {first} || ',0)')::tid and t.ctid < ('(' || {end} || ',0)')::tid"
    )


def rows(
    connection: Session, table: Table, chunk: Chunk, method: Method, encoding: str
) -> Iterator[tuple[str | None, int, int]]:
    """(key, high, low) of each row of a chunk, as the server sends them."""
    digest = _digest(table, method, encoding)
    statement = (
        f"copy (select q.k, {digest.high}, {digest.low or 0} from (select {_key(table)} as k, {digest.below} "
        f"{_from(table, chunk)}{digest.fence}) as q) to stdout"
    )
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        copy.set_types(["text", "int8", "int8"])
        yield from copy.rows()


def versions(
    connection: Session, table: Table, chunks: Sequence[Chunk], method: Method, encoding: str
) -> Iterator[tuple[str | None, int, int, int]]:
    """(key, high, low, transaction) of each row of some chunks: its digests, and the number of who wrote this version of it.

    One statement for all of a relation's chunks, as there may be thousands.
    """
    digest = _digest(table, method, encoding)
    row = f"{_key(table)} as k, t.xmin::text::bigint as x, {digest.below}"
    for relation, those in itertools.groupby(chunks, lambda c: c.relation):
        match list(those):
            case [only]:
                within = f"(select {row} {_from(table, only)}{digest.fence}) as q"
            case several:
                firsts = _array(c.first for c in several)
                ends = _array(_NO_BLOCK if c.end is None else c.end for c in several)
                within = (
                    f"rows from (pg_catalog.unnest({firsts}), pg_catalog.unnest({ends})) as c (first, behind) "
                    f"cross join lateral (select {row} {_from_blocks(table, relation, 'c.first', 'c.behind')} offset 0) as q"
                )
        statement = f"copy (select q.k, {digest.high}, {digest.low or 0}, q.x from {within}) to stdout"
        # Whoever has enough leaves off, which must not end the session's transaction either.
        with connection.transaction(), connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.set_types(["text", "int8", "int8", "int8"])
            yield from copy.rows()


def _array(numbers: Iterable[int]) -> str:
    return f"'{{{','.join(map(str, numbers))}}}'::bigint[]"


def _key(table: Table) -> str:
    match table.key:
        case ():
            return "null"
        case (only,):
            return f"{only}::text"
        case several:
            return f"row({', '.join(several)})::text"


_SEQUENCES = f"""
select c.oid::regclass::text
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where c.relkind = 'S' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> all(%s::text[])
    and not {is_own("n")}
order by 1
"""


def sequences(connection: Session, *, ignored_schemas: Sequence[str] = ()) -> dict[str, int]:
    """Where each sequence stands; one that was never asked stands at none and is left out.

    What may not be read is left out too: a sequence holds no data, and its table is compared.
    """
    found = {}
    for (name,) in connection.execute(_SEQUENCES, [list(ignored_schemas)]).fetchall():
        connection.execute("savepoint s")
        try:
            row = connection.execute(f"select last_value, is_called from {name}".encode()).fetchone()
        except psycopg.Error:
            connection.execute("rollback to savepoint s")
            continue
        if row and row[1]:
            found[name] = int(row[0])
    return found


def large_objects(connection: Session) -> int:
    row = connection.execute("select pg_catalog.count(*) from pg_catalog.pg_largeobject_metadata").fetchone()
    assert row is not None
    return int(row[0])
