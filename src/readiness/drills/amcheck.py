"""amcheck's functions on a restored copy, in the sessions that read its rows.

What a session has just read lies in memory, where it is checked at a lower price; and as many sessions work as there are cores, not
twice as many. What is checked, and what is said, is what `pg_amcheck` checks and says of a database.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from readiness.drills.snapshot import Errand
from readiness.facts import content
from readiness.facts.content import Chunk

FROM = 14  # verify_heapam()
EXAMPLES = 5  # of one range of a table

# Those that pg_amcheck goes through: heaps and b-trees, the largest first.
_RELATIONS = """
select
    c.oid::regclass::text, c.relkind = 'i' as index, n.nspname || '.' || c.relname,
    (pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int)::int
from pg_catalog.pg_class as c
inner join pg_catalog.pg_am as a on c.relam = a.oid
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
left join pg_catalog.pg_index as i on c.oid = i.indexrelid
where
    c.relpersistence <> 't'
    and (
        (c.relkind in ('r', 'S', 'm', 't') and a.amname = 'heap')
        or (c.relkind = 'i' and a.amname = 'btree' and i.indisready and i.indisvalid and i.indislive)
    )
order by 4 desc, 1
"""

_INSTALLED = """
select pg_catalog.quote_ident(n.nspname)
from pg_catalog.pg_extension as e
inner join pg_catalog.pg_namespace as n on e.extnamespace = n.oid
where e.extname = 'amcheck'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One that is checked.

    Args:
        name: as `regclass` writes it.
        label: as pg_amcheck does.
    """

    name: str
    index: bool
    label: str
    blocks: int


class Amcheck:
    """Every table and b-tree of a database, checked as its rows are read (see `snapshot.Along`).

    Args:
        deep: every index against every row of its table, too.
        refused: why it can't be done; None where it can.
        found: what is wrong, one sentence each.
        relations: what there is to check.
    """

    def __init__(self, database: str, *, deep: bool) -> None:
        self.refused: str | None = None
        self.found: list[str] = []
        self.relations: Sequence[Relation] = ()
        self._database = database
        self._deep = deep
        self._schema: LiteralString = ""
        self._ready = threading.Event()
        self._heaps: Mapping[str, Relation] = {}
        self._planned: set[tuple[str, int]] | None = None
        self._done: set[tuple[str, int]] = set()

    def install(self, dsn: str) -> None:
        """Make the extension, of its newest version; nothing is checked before."""
        try:
            with psycopg.connect(dsn, autocommit=True) as session:
                if session.info.server_version < FROM * 10_000:
                    self.refused = f"PostgreSQL before {FROM} can't check tables"
                    return
                session.execute("create extension if not exists amcheck with schema pg_catalog")
                session.execute("alter extension amcheck update")
                ((self._schema,),) = session.execute(_INSTALLED).fetchall()
        except psycopg.Error as error:
            self.refused = _line(error)
        finally:
            self._ready.set()

    def give_up(self) -> None:
        """Nothing that wasn't begun is checked any more."""
        if not self._ready.is_set():
            self.refused = "it was broken off"
            self._ready.set()

    @property
    def whole(self) -> bool:
        """Whether all of it was gone through."""
        return self.refused is None and self._planned is not None and self._done == self._planned

    def errands(self, session: content.Session, chunks: Sequence[Chunk]) -> Sequence[Errand]:
        """Indexes, and tables of which no rows are read (catalogs, TOAST, materialized views), these in ranges."""
        self.relations = [
            Relation(name=name, index=index, label=f"{self._database}.{label}", blocks=blocks)
            for name, index, label, blocks in session.execute(_RELATIONS).fetchall()
        ]
        self._heaps = {r.name: r for r in self.relations if not r.index}
        read = {c.relation for c in chunks}
        planned = {(c.relation, c.first) for c in chunks if c.relation in self._heaps}
        errands: list[Errand] = []
        for relation in self.relations:
            if relation.index:
                planned.add((relation.name, 0))
                errands.append(lambda session, r=relation: self._index(session, r))  # type: ignore[misc]
            elif relation.name not in read:
                ranges = _ranges(relation)
                planned |= {(c.relation, c.first) for c in ranges}
                errands += [lambda session, c=chunk: self.read(session, c) for chunk in ranges]  # type: ignore[misc]
        self._planned = planned
        return errands

    def read(self, session: content.Session, chunk: Chunk) -> None:
        relation = self._heaps.get(chunk.relation)
        if relation is None or not self._begun():
            return
        end = None if chunk.end is None else chunk.end - 1
        rows = self._asked(
            session,
            relation,
            sql.SQL(
                "select blkno, offnum, attnum, msg from {}.verify_heapam(relation := %s::regclass, on_error_stop := false, "
                "check_toast := true, skip := 'none', startblock := %s, endblock := %s) limit {}"
            ).format(sql.SQL(self._schema), sql.Literal(EXAMPLES)),
            [chunk.relation, chunk.first, end],
        )
        for block, offset, attribute, message in rows:
            places = zip(("block", "offset", "attribute"), (block, offset, attribute), strict=True)
            place = "".join(f", {what} {number}" for what, number in places if number is not None)
            self.found.append(f'heap table "{relation.label}"{place}: {message}')
        self._done.add((chunk.relation, chunk.first))

    def _index(self, session: content.Session, relation: Relation) -> None:
        if self._begun():
            statement = sql.SQL("select {}.bt_index_check(index := %s::regclass, heapallindexed := %s)").format(
                sql.SQL(self._schema)
            )
            self._asked(session, relation, statement, [relation.name, self._deep])
            self._done.add((relation.name, 0))

    def _begun(self) -> bool:
        self._ready.wait()
        return self.refused is None

    def _asked(
        self, session: content.Session, relation: Relation, statement: sql.Composed, values: Sequence[Any]
    ) -> list[Any]:
        """Rows of an answer; what the server says instead is found, too."""
        session.execute("savepoint amcheck")
        try:
            rows = session.execute(statement, values).fetchall()
        except psycopg.Error as error:
            if session.closed:
                raise
            session.execute("rollback to savepoint amcheck")
            kind = "btree index" if relation.index else "heap table"
            self.found.append(f'{kind} "{relation.label}": {_line(error)}')
            return []
        session.execute("release savepoint amcheck")
        return rows


def _ranges(relation: Relation) -> list[Chunk]:
    starts = list(range(0, max(relation.blocks, 1), content.CHUNK_BLOCKS or max(relation.blocks, 1)))
    return [Chunk(relation=relation.name, first=f, end=e) for f, e in zip(starts, [*starts[1:], None], strict=True)]


def _line(error: psycopg.Error) -> str:
    return " ".join((error.diag.message_primary or str(error)).split())
