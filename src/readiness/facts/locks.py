"""Relations that a DDL statement stands before: what must open them waits, so they are left out and named."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from readiness.authoring import Unobservable
from readiness.facts.own import is_own
from readiness.facts.postgres import Postgres, Row
from readiness.model import Reason


def held_relations(postgres: Postgres, ignored_schemas: Sequence[str], *, marker: str) -> list[Row]:
    """oid, subject (quoted name) and counts (whether a check would look at it) of each relation that DDL holds.

    Raises:
        Unobservable: as `Postgres.rows`.
    """
    return postgres.rows(_HELD, (list(ignored_schemas),), marker=marker)


def around_locks(
    postgres: Postgres, ask: Callable[[list[int]], list[Row]], oids: Collection[int], *, marker: str
) -> tuple[list[Row], frozenset[int]]:
    """Ask of relations by their oids; where DDL holds some, ask of the others, and say which were left out.

    Raises:
        Unobservable: as `Postgres.rows`; also when another statement takes a lock between the two looks.
    """
    try:
        return ask(list(oids)), frozenset()
    except Unobservable as unseen:
        if unseen.reason is not Reason.LOCKED:
            raise
    held = frozenset(row["oid"] for row in held_relations(postgres, (), marker=marker)) & frozenset(oids)
    return ask([oid for oid in oids if oid not in held]), held


# Relations that a DDL statement holds, or waits for: who waits for this lock is already in everybody's way. With the
# parents of a partition, since looking at those looks at it. `counts`: what a check would have looked at.
_HELD = f"""
with recursive held as (
    select distinct coalesce(ix.indrelid, l.relation) as oid
    from pg_catalog.pg_locks as l
    left join pg_catalog.pg_index as ix on l.relation = ix.indexrelid
    where
        l.mode = 'AccessExclusiveLock'
        and l.relation is not null
        and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
),
reached as (
    select h.oid from held as h
    union
    select i.inhparent from pg_catalog.pg_inherits as i inner join reached as r on i.inhrelid = r.oid
)
select
    c.oid::int8 as oid,
    pg_catalog.format('%I.%I', ns.nspname, c.relname) as subject,
    (
        ns.nspname !~ '^pg_' and ns.nspname <> 'information_schema' and ns.nspname <> all ($1::text[]) and not {is_own()}
    ) as counts
from reached
inner join pg_catalog.pg_class as c on reached.oid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where c.relkind in ('r', 'p', 'm', 'v', 'f')
order by subject
"""
