"""Rows and what they name in a store beside Postgres, compared: does each id lead to a point, does each object have its row.

Both sides are read in one order, page by page, and held against each other as they come: memory stays the same whatever
their number. Qdrant's ids come in the order of their bytes, numbers first; S3's keys in the order of their UTF-8 bytes; and
Postgres is asked for that order (`collate "C"`). A side that breaks it ends the comparison. What differs is asked for once
more a moment later, on both sides: what was just being written is no finding.

Above a limit (`probing.link_ids`) samples are compared, each looked up on the other side. Of n rows drawn at random none of
which is at fault, the share at fault is below 1 - 0.05^(1/n), about 3/n, with 95 % confidence: the exact binomial bound
(C. J. Clopper, E. S. Pearson, Biometrika 26, 1934; the rule of three, J. A. Hanley, A. Lippman-Hand, JAMA 249, 1983).
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Protocol, Self, TypeAlias

from readiness.authoring import Unobservable
from readiness.facts import objects, qdrant
from readiness.facts.catalog import shown, split_name
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target, addressless, declared
from readiness.model import Reason, quote_ident, quote_literal
from readiness.profile import QdrantStore, Rows, S3Store, Schema

MOST_CANDIDATES = 1_000  # differences that are asked for once more
MOST_EXAMPLES = 5
MOMENT_SECONDS = 1.0
SAMPLE = 10_000
SAMPLE_OF_OBJECTS = 1_000  # each is a request
CONFIDENCE = 0.95

Key: TypeAlias = int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What one side has and the other lacks.

    Args:
        count: how many, after the second look.
        examples: the first few.
    """

    count: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkColumn:
    """A column that names points or objects.

    Args:
        name: schema.table.column, each quoted where it needs it.
        nulls: rows that count and name nothing, though they must.
        unresolved: what it names and the store lacks.
    """

    name: str
    nulls: int
    unresolved: Differences


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """How much was looked at, where not everything was.

    Args:
        listed: of how many the things were drawn, where that is known.
        things_at_random: whether each was as likely to be drawn as any other.
    """

    rows: int
    things: int
    things_at_random: bool
    listed: int | None = None

    @property
    def most_unresolved(self) -> float:
        """Of rows among whose sample none is at fault: the largest share that may be, with 95 % confidence."""
        return share_bound(self.rows)

    @property
    def most_orphaned(self) -> float | None:
        """Likewise of things; None where they were not drawn at random."""
        return share_bound(self.things) if self.things_at_random else None


def share_bound(clean: int) -> float:
    """The upper 95 % bound of a share of which n independent draws found nothing (Clopper-Pearson at 0 of n)."""
    return 1.0 if clean == 0 else -math.expm1(math.log(1 - CONFIDENCE) / clean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A collection or a bucket held against the rows that name what lies in it.

    Args:
        rows: distinct ids that rows name, as far as they were looked at.
        things: points or objects, likewise.
        orphaned: things that no row names.
        drawn: None where everything was compared.
        ended: the seconds after which the comparison was broken off; None where it came to its end.
        missing: columns that are not there, though the canonical schema has them: no row of theirs names anything yet.
    """

    columns: tuple[LinkColumn, ...]
    rows: int
    things: int
    orphaned: Differences
    drawn: Drawn | None = None
    ended: float | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreLinks:
    """`store/collection` or `store/bucket`, of those that declare rows -> the comparison, or why there is none.

    Args:
        columns: the same -> the names of the declared columns.
    """

    by_place: Mapping[str, Comparison | Unobservable]
    columns: Mapping[str, tuple[str, ...]]

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        declared(target.profile, "stores")
        probing = target.profile.probing
        session = postgres.another("links")
        found: dict[str, Comparison | Unobservable] = {}
        columns: dict[str, tuple[str, ...]] = {}
        try:
            for name, rows, place in places(target):
                columns[name] = tuple(_shown(r) for r in rows)
                try:
                    if isinstance(place, Unobservable):
                        raise place
                    bound = Bound(ids=probing.link_ids, seconds=probing.link_seconds)
                    found[name] = compare(session, rows, place, bound, target.profile.schemas)
                except Unobservable as unseen:
                    found[name] = unseen
        finally:
            session.close()
        return cls(found, columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How many rows are compared one by one, and for how long."""

    ids: int
    seconds: float


class Place(Protocol):
    """Where things lie that rows name."""

    @property
    def numbers(self) -> bool:
        """Whether whole numbers may be keys."""

    @property
    def sample(self) -> int:
        """How many rows are looked up, where not all are."""

    def things(self) -> Iterator[Key]:
        """The keys of all, in order."""

    def existing(self, keys: Sequence[Key]) -> set[Key]:
        """Those of the keys that lead to something."""

    def drawn(self, ends: float) -> Draw:
        """Keys of some things.

        Args:
            ends: when to give up, on time.monotonic()'s scale.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Keys out of many.

    Args:
        listed: out of how many, where that is known.
        at_random: whether each of all that there are was as likely as any other.
    """

    keys: list[Key]
    listed: int | None
    at_random: bool


def draw(keys: Iterable[Key], number: int, ends: float) -> Draw:
    """Some keys of a stream that is not held, each as likely as any other (J. S. Vitter, ACM TOMS 11, 1985: algorithm R).

    Where the time ends before the stream does they are drawn from its beginning, which says nothing of the rest.
    """
    kept: list[Key] = []
    listed = 0
    for key in keys:
        if listed % 1_000 == 0 and time.monotonic() > ends:
            return Draw(keys=kept, listed=listed, at_random=False)
        listed += 1
        if len(kept) < number:
            kept.append(key)
        elif (place := random.randrange(listed)) < number:  # noqa: S311  nobody gains by guessing it
            kept[place] = key
    return Draw(keys=kept, listed=listed, at_random=True)


_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")  # as Qdrant writes it; anything else has no point


@dataclass(frozen=True, slots=True)
class _Points:
    client: qdrant.Client
    collection: str
    numbers: bool = True
    sample: int = SAMPLE

    def things(self) -> Iterator[Key]:
        return self.client.points(self.collection)

    def existing(self, keys: Sequence[Key]) -> set[Key]:
        possible = [k for k in keys if (k >= 0 if isinstance(k, int) else _UUID.fullmatch(k))]
        found: set[Key] = set()
        for start in range(0, len(possible), qdrant.PAGE):
            found |= self.client.existing(self.collection, possible[start : start + qdrant.PAGE])
        return found

    def drawn(self, ends: float) -> Draw:
        del ends
        return Draw(keys=[*self.client.drawn(self.collection, self.sample)], listed=None, at_random=True)


@dataclass(frozen=True, slots=True)
class _Objects:
    client: objects.Client
    bucket: str
    under: str
    numbers: bool = False
    sample: int = SAMPLE_OF_OBJECTS

    def things(self) -> Iterator[Key]:
        return self.client.keys(self.bucket, self.under)

    def existing(self, keys: Sequence[Key]) -> set[Key]:
        with ThreadPoolExecutor(max_workers=4) as pool:
            there = pool.map(lambda key: self.client.exists(self.bucket, str(key)), keys)
            return {key for key, exists in zip(keys, there, strict=True) if exists}

    def drawn(self, ends: float) -> Draw:
        """Out of the whole list: S3 draws nothing at random, and pages of it are not alike."""
        return draw(self.things(), SAMPLE, ends)


def places(target: Target) -> Iterator[tuple[str, tuple[Rows, ...], Place | Unobservable]]:
    """What may hold things that rows name; where the profile says nothing of the rows, why it can't be compared."""
    seconds = target.profile.probing.http_timeout_seconds
    for name, store in target.profile.stores.items():
        match store:
            case QdrantStore(url=None) | S3Store(url=None, region=None):
                yield name, (), addressless(name)
            case QdrantStore():
                if "collections" not in store.model_fields_set:
                    yield name, (), _undeclared(f"stores.{name}.collections")
                for collection, points in store.collections.items():
                    where = f"{name}/{collection}"
                    if points.rows:
                        yield where, points.rows, _Points(qdrant.Client(store, seconds), collection)
                    elif "rows" not in points.model_fields_set:
                        yield where, (), _undeclared(f"stores.{name}.collections.{collection}.rows")
            case S3Store():
                if "buckets" not in store.model_fields_set:
                    yield name, (), _undeclared(f"stores.{name}.buckets")
                for bucket, kept in store.buckets.items():
                    where = f"{name}/{bucket}"
                    if kept.rows:
                        yield where, kept.rows, _bucket(store, bucket, kept.under, seconds)
                    elif "rows" not in kept.model_fields_set:
                        yield where, (), _undeclared(f"stores.{name}.buckets.{bucket}.rows")


def _undeclared(key: str) -> Unobservable:
    return Unobservable(
        Reason.NOT_CONFIGURED,
        "the profile doesn't say which rows name what lies there",
        f"declare `{key}` in the profile (empty where there are none)",
    )


def _bucket(store: S3Store, name: str, under: str, seconds: float) -> Place | Unobservable:
    try:
        return _Objects(objects.Client(store, seconds), name, under)
    except Unobservable as unseen:
        return unseen


# -- the rows --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Column:
    """A declared column, looked up: what SQL calls it, and whether it holds whole numbers."""

    rows: Rows
    table: str
    column: str
    number: bool

    @property
    def key(self) -> str:
        """The key that a row names, as it sorts and compares."""
        if self.number:
            return f"{self.column}::int8"
        text = f"{self.column}::text"
        if self.rows.prefix:
            text = f"pg_catalog.substr({text}, {len(self.rows.prefix) + 1})"
        return f'{text} collate "C"'

    @property
    def names(self) -> str:
        """The condition under which a row names something here."""
        there = f"{self.column} is not null"
        if self.rows.prefix:
            there += f" and pg_catalog.starts_with({self.column}::text, {quote_literal(self.rows.prefix)})"
        return there

    @property
    def live(self) -> str:
        return f"{quote_ident(self.rows.deleted)} is null" if self.rows.deleted else "true"


def _shown(rows: Rows) -> str:
    return f"{shown(*split_name(rows.table))}.{quote_ident(rows.column)}"


def _columns(
    session: Postgres, rows: Iterable[Rows], canonical: Mapping[str, Schema], *, numbers: bool
) -> tuple[list[_Column], list[str]]:
    """The declared columns as they are, and the names of those that are yet to be made.

    Raises:
        Unobservable: one is not there, nor in the canonical schema; or they can't be compared with each other.
    """
    found, missing = [], []
    for r in rows:
        schema, table = split_name(r.table)
        answer = session.rows(_TYPE, (schema, table, r.column), marker="links")
        if not answer or answer[0]["number"] is None:
            if not _promised(canonical, r, table_there=bool(answer)):
                raise Unobservable(Reason.UNSUPPORTED, f"there is no column {_shown(r)}", "mend the profile's `rows`")
            missing.append(_shown(r))
            continue
        number = numbers and not r.prefix and answer[0]["number"]
        found.append(_Column(r, f"{quote_ident(schema)}.{quote_ident(table)}", quote_ident(r.column), number))
    if len({c.number for c in found}) > 1:
        raise Unobservable(Reason.UNSUPPORTED, "some of its columns hold numbers and some do not")
    return found, missing


def _promised(canonical: Mapping[str, Schema], rows: Rows, *, table_there: bool) -> bool:
    """Whether the canonical schema has what is missing: the table, or the column of a table that is there."""
    schema, table = split_name(rows.table)
    declared = canonical[schema].tables if schema in canonical else {}
    if not table_there:
        return table in declared
    its = declared.get(table)
    return its is not None and rows.column in its.columns


_TYPE = """
select a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) as number
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join pg_catalog.pg_attribute as a
    on c.oid = a.attrelid and a.attname = $3 and a.attnum > 0 and not a.attisdropped
where ns.nspname = $1 and c.relname = $2
"""


def _all_rows(columns: Sequence[_Column]) -> str:
    """Key, whether its row is live, and which column it stands in; in the order of the keys."""
    parts = (
        f"select {c.key} as key, {c.live} as live, {at} as source from {c.table} where {c.names}"
        for at, c in enumerate(columns)
    )
    return " union all ".join(parts) + " order by 1"


def _named(session: Postgres, columns: Sequence[_Column], keys: Sequence[Key], seconds: float) -> dict[Key, set[int]]:
    """Which of the keys rows name -> the columns whose live rows do (none: a deleted one does)."""
    found: dict[Key, set[int]] = {}
    for at, c in enumerate(columns):
        cast = "$1::int8[]" if c.number else "$1::text[]"
        written = [_written(c, key) for key in keys if isinstance(key, int) == c.number]
        statement = (
            f"select {c.key} as key, pg_catalog.bool_or({c.live}) as live from {c.table} "
            f"where {c.names} and {_indexed(c)} = any ({cast}) group by 1"
        )
        for row in session.rows(statement, (written,), marker="links", seconds=seconds):
            found.setdefault(row["key"], set()).update({at} if row["live"] else ())
    return found


def _indexed(c: _Column) -> str:
    return c.column if c.number else f"{c.column}::text"


def _written(c: _Column, key: Key) -> Key:
    """The key as the column has it."""
    return key if c.number else f"{c.rows.prefix}{key}"


def _aside(session: Postgres, c: _Column, seconds: float) -> tuple[int, Differences]:
    """Live rows that name nothing, though they must; and those that name something elsewhere, not with the prefix."""
    elsewhere = f"{c.column} is not null and not ({c.names})"
    (row,) = session.rows(
        f"select pg_catalog.count(*) filter (where {c.column} is null) as nulls, "
        f"pg_catalog.count(*) filter (where {elsewhere}) as elsewhere, "
        f"pg_catalog.min({c.column}::text) filter (where {elsewhere}) as example from {c.table} "
        f"where {c.live} and ({c.column} is null or {elsewhere})",
        marker="links",
        seconds=seconds,
    )
    example = () if row["example"] is None else (str(row["example"]),)
    return (0 if c.rows.optional else row["nulls"]), Differences(count=row["elsewhere"], examples=example)


# -- the comparison --------------------------------------------------------------------------------------------


def compare(
    session: Postgres,
    rows: Sequence[Rows],
    place: Place,
    bound: Bound,
    canonical: Mapping[str, Schema] = MappingProxyType({}),
) -> Comparison:
    """Hold rows against what they name.

    Args:
        canonical: the schema that is to be: what it has and the database lacks names nothing yet.

    Raises:
        Unobservable: one of the sides could not be read, or not in time.
    """
    columns, missing = _columns(session, rows, canonical, numbers=place.numbers)
    if not columns:
        return replace(_whole(session, (), place, bound), missing=tuple(missing))
    aside = [_aside(session, c, bound.seconds) for c in columns]
    parts = " union all ".join(f"select 1 from {c.table} where {c.names}" for c in columns)
    (counted,) = session.rows(
        f"select pg_catalog.count(*) as n from (select 1 from ({parts}) as named limit {bound.ids + 1}) as bounded",
        marker="links",
        seconds=bound.seconds,
    )
    work = _whole if counted["n"] <= bound.ids else _sampled
    found = work(session, columns, place, bound)
    joined = (
        replace(c, nulls=nulls, unresolved=_joined(c.unresolved, elsewhere))
        for c, (nulls, elsewhere) in zip(found.columns, aside, strict=True)
    )
    return replace(found, columns=tuple(joined), missing=tuple(missing))


def _joined(one: Differences, other: Differences) -> Differences:
    return Differences(count=one.count + other.count, examples=(*one.examples, *other.examples)[:MOST_EXAMPLES])


@dataclass(slots=True, kw_only=True)
class Merged:
    """What a merge of two ordered streams found.

    Args:
        rows, things: distinct keys on each side.
        unresolved: by column.
        lost: the first of those keys, and the columns whose live rows name it.
        alone: the first things that no row names.
        ended: whether time was over before the streams were; what is found holds for the keys up to there.
    """

    unresolved: list[int]
    orphaned: int = 0
    rows: int = 0
    things: int = 0
    lost: list[tuple[Key, frozenset[int]]] = field(default_factory=list)
    alone: list[Key] = field(default_factory=list)
    ended: bool = False


class _TimeIsOverError(Exception):
    """No more of a stream is read."""


def merge(
    rows: Iterable[tuple[Key, bool, int]], things: Iterable[Key], *, columns: int, most: int, ends: float
) -> Merged:
    """Hold two streams against each other, both ordered by their key.

    Args:
        rows: key, whether its row counts, and which column it stands in.
        things: keys of what lies in the store.
        columns: how many columns there are.
        most: differences of a kind that are kept.
        ends: when to break off, on time.monotonic()'s scale.

    Raises:
        Unobservable: a stream breaks its order, or can't be read.
    """
    found = Merged(unresolved=[0] * columns)
    try:
        _merge(found, rows, things, most, ends)
    except _TimeIsOverError:
        found.ended = True
    return found


def _merge(found: Merged, rows: Iterable[tuple[Key, bool, int]], things: Iterable[Key], most: int, ends: float) -> None:
    there = _in_order(things, "what the store lists", ends)
    thing = next(there, None)

    def alone(key: Key) -> None:
        found.things += 1
        found.orphaned += 1
        if len(found.alone) < most:
            found.alone.append(key)

    for key, group in groupby(_ordered_rows(rows, ends), key=itemgetter(0)):
        live = {source for _, counts, source in group if counts}
        rank = _rank(key)
        while thing is not None and _rank(thing) < rank:
            alone(thing)
            thing = next(there, None)
        found.rows += 1
        if thing is not None and thing == key:
            found.things += 1
            thing = next(there, None)
        elif live:
            for source in live:
                found.unresolved[source] += 1
            if len(found.lost) < most:
                found.lost.append((key, frozenset(live)))
    while thing is not None:
        alone(thing)
        thing = next(there, None)


def _rank(key: Key) -> tuple[int, Any]:
    """Numbers before texts; texts by their code points, which is the order of their UTF-8 bytes."""
    return (0, key) if isinstance(key, int) else (1, key)


def _in_order(keys: Iterable[Key], what: str, ends: float) -> Iterator[Key]:
    before: tuple[int, Any] | None = None
    for number, key in enumerate(keys):
        rank = _rank(key)
        if before is not None and rank <= before:
            raise Unobservable(Reason.ERROR, f"{what} is out of order behind {before[1]}")
        if number % 1_000 == 0 and time.monotonic() > ends:
            raise _TimeIsOverError
        before = rank
        yield key


def _ordered_rows(rows: Iterable[tuple[Key, bool, int]], ends: float) -> Iterator[tuple[Key, bool, int]]:
    before: tuple[int, Any] | None = None
    for number, row in enumerate(_while_there_is_time(rows)):
        rank = _rank(row[0])
        if before is not None and rank < before:
            raise Unobservable(Reason.ERROR, f"what the rows name is out of order behind {before[1]}")
        if number % 1_000 == 0 and time.monotonic() > ends:
            raise _TimeIsOverError
        before = rank
        yield row


def _while_there_is_time(rows: Iterable[tuple[Key, bool, int]]) -> Iterator[tuple[Key, bool, int]]:
    """The rows; the server, which has the same limit for each page, may give up first."""
    try:
        yield from rows
    except Unobservable as unseen:
        if unseen.reason is not Reason.TIMEOUT:
            raise
        raise _TimeIsOverError from unseen


LONGER = "raise probing.link_seconds, or lower probing.link_ids so that a sample is compared"


def _whole(session: Postgres, columns: Sequence[_Column], place: Place, bound: Bound) -> Comparison:
    stream = session.stream(_all_rows(columns), marker="links", seconds=bound.seconds) if columns else _no_rows()
    with closing(stream):
        found = merge(
            ((key, live, source) for key, live, source in stream),
            place.things(),
            columns=len(columns),
            most=MOST_CANDIDATES,
            ends=time.monotonic() + bound.seconds,
        )
    lost, alone = _second_look(session, columns, place, found.lost, found.alone, bound)
    # What is beyond the candidates was seen once; of the candidates, what is still there counts.
    unresolved = [
        n - sum(at in s for _, s in found.lost) + sum(at in s for _, s in lost) for at, n in enumerate(found.unresolved)
    ]
    return Comparison(
        columns=_named_columns(columns, unresolved, lost),
        rows=found.rows,
        things=found.things,
        orphaned=_some(found.orphaned - len(found.alone) + len(alone), alone),
        ended=bound.seconds if found.ended else None,
    )


def _no_rows() -> Generator[tuple[Any, ...], None, None]:
    yield from ()


def _named_columns(
    columns: Sequence[_Column], unresolved: Sequence[int], lost: Sequence[tuple[Key, frozenset[int]]]
) -> tuple[LinkColumn, ...]:
    return tuple(
        LinkColumn(name=_shown(c.rows), nulls=0, unresolved=_some(unresolved[at], [k for k, s in lost if at in s]))
        for at, c in enumerate(columns)
    )


def _some(count: int, keys: Sequence[Key]) -> Differences:
    return Differences(count=count, examples=tuple(map(str, keys[:MOST_EXAMPLES])))


def _second_look(
    session: Postgres,
    columns: Sequence[_Column],
    place: Place,
    lost: Sequence[tuple[Key, frozenset[int]]],
    alone: Sequence[Key],
    bound: Bound,
) -> tuple[list[tuple[Key, frozenset[int]]], list[Key]]:
    """Those of the differences that are still there a moment later."""
    if not columns or not (lost or alone):  # without a column no row can have come meanwhile
        return [*lost], [*alone]
    time.sleep(MOMENT_SECONDS)
    keys = [key for key, _ in lost]
    there = place.existing([*keys, *alone])
    named = _named(session, columns, [*keys, *alone], bound.seconds)
    still_lost = [(key, frozenset(named[key])) for key in keys if key not in there and named.get(key)]
    return still_lost, [key for key in alone if key in there and key not in named]


def _sampled(session: Postgres, columns: Sequence[_Column], place: Place, bound: Bound) -> Comparison:
    drawn = _draw(session, columns, place.sample, bound.seconds)
    there = place.existing([*drawn])
    lost = [(key, sources) for key, sources in drawn.items() if key not in there]
    things = place.drawn(time.monotonic() + bound.seconds)
    named = _named(session, columns, things.keys, bound.seconds)
    once = [key for key in things.keys if key not in named]
    lost, alone = _second_look(session, columns, place, lost, once[:MOST_CANDIDATES], bound)
    return Comparison(
        columns=_named_columns(columns, [sum(at in s for _, s in lost) for at in range(len(columns))], lost),
        rows=len(drawn),
        things=len(things.keys),
        orphaned=_some(len(once[MOST_CANDIDATES:]) + len(alone), alone),
        drawn=Drawn(rows=len(drawn), things=len(things.keys), things_at_random=things.at_random, listed=things.listed),
    )


def _draw(session: Postgres, columns: Sequence[_Column], number: int, seconds: float) -> dict[Key, frozenset[int]]:
    """Keys of live rows, each row as likely as any other (`tablesample bernoulli`) -> the columns that they stand in."""
    tables = [c.table for c in columns]
    (estimate,) = session.rows(
        "select pg_catalog.sum(case when c.relkind = 'p' then (select pg_catalog.sum(greatest(p.reltuples, 0)) "
        "from pg_catalog.pg_partition_tree(c.oid) as t inner join pg_catalog.pg_class as p on t.relid = p.oid "
        "where t.isleaf) else greatest(c.reltuples, 0) end)::float8 as rows "
        "from pg_catalog.unnest($1::text[]) as named (name) "
        "inner join pg_catalog.pg_class as c on c.oid = pg_catalog.to_regclass(named.name)",
        (tables,),
        marker="links",
    )
    share = min(100.0, 300.0 * number / max(estimate["rows"] or 0, 1))
    parts = " union all ".join(
        f"select {c.key} as key, {at} as source from {c.table} tablesample bernoulli ({share:.6f}) "
        f"where {c.names} and {c.live}"
        for at, c in enumerate(columns)
    )
    statement = f"select d.key, d.source from ({parts}) as d order by pg_catalog.random() limit {number}"
    found: dict[Key, set[int]] = {}
    for row in session.rows(statement, marker="links", seconds=seconds):
        found.setdefault(row["key"], set()).add(row["source"])
    return {key: frozenset(sources) for key, sources in found.items()}
