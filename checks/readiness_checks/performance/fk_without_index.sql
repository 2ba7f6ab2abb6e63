/*---
title: Every foreign key has an index that its checks can use
subject: constraint
universe: foreign keys
priority: P0
effort: S
credit: ratio
why: |
  Deleting a row, or changing its key, makes Postgres look for rows that refer to it. Without an index on the
  referring side that look reads the whole table, under a lock, once for every row deleted. Joins along the key pay too.
  An index serves when it is valid, btree (or hash for one column), has the key's columns first, in any order, and is
  not partial, unless its condition is just that the column is not null.
mend: |
  Create the index. It takes its time on a large table; CONCURRENTLY doesn't block writes meanwhile.
links:
  - https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
---*/
-- Partitions: a key that a partition inherited is its parent's subject.
select
    judged.subject,
    judged.objid,
    judged.schemaid,
    judged.ok,
    case
        when not judged.ok
            then pg_catalog.format(
                case
                    -- CONCURRENTLY is not for partitioned tables
                    when judged.relkind = 'p' then 'create index %I on %I.%I (%s);'
                    else 'create index concurrently %I on %I.%I (%s);'
                end,
                -- as Postgres would name it, with the next number where it is taken
                (
                    select
                        base.name || coalesce(
                            pg_catalog.max(
                                coalesce(
                                    nullif(pg_catalog.substring(taken.relname::pg_catalog.text, '\d*$'), ''), '0'
                                )::pg_catalog.int4 + 1
                            ) filter (where taken.oid is not null)::pg_catalog.text, ''
                        )
                    from (
                        select
                            -- cut to 56 bytes
                            pg_catalog.substr(
                                pg_catalog.format(
                                    '_______%s_%s', judged.relname, judged.joined
                                )::pg_catalog.name::pg_catalog.text,
                                8
                            ) || '_idx' as name
                    ) as base
                    left join pg_catalog.pg_class as taken
                        on
                            taken.relnamespace = judged.schemaid
                            and taken.relname >= base.name::pg_catalog.name
                            and taken.relname < (base.name || ':')::pg_catalog.name
                            and pg_catalog.substr(
                                taken.relname::pg_catalog.text, pg_catalog.length(base.name) + 1
                            ) ~ '^\d{0,3}$'
                    group by base.name
                ),
                judged.nspname,
                judged.relname,
                judged.columns
            )
    end as remedy,
    judged.columns,
    judged.refers_to,
    judged.on_delete,
    judged.estimated_rows
from (
    select
        pg_catalog.format('%I.%I:%I', ns.nspname, child.relname, fk.conname) as subject,
        fk.conrelid as objid,
        ns.oid as schemaid,
        ns.nspname,
        child.relname,
        child.relkind,
        exists (
            select
            from pg_catalog.pg_index as ix
            inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
            where
                ix.indrelid = fk.conrelid
                and ix.indisvalid
                and ix.indisready
                and ix.indislive
                -- btree, or hash, on every version
                and (ic.relam = 403 or (ic.relam = 405 and pg_catalog.cardinality(fk.conkey) = 1))
                -- The key's columns, in any order, are the first that the index has; int2vector counts from 0, and an
                -- expression stands there as 0. INCLUDE columns lie behind indnkeyatts.
                and ix.indnkeyatts >= pg_catalog.cardinality(fk.conkey)
                and ix.indkey[0] = any (fk.conkey) -- told by a number, before texts are taken apart
                and fk.conkey operator(pg_catalog.<@) (
                    (pg_catalog.string_to_array(ix.indkey::text, ' ')::int2[])[1:pg_catalog.cardinality(fk.conkey)]
                )
                and (
                    ix.indpred is null
                    -- `where a is not null and b is not null`: such rows are all that the look can find. Compared as
                    -- the parser stores it, since pg_get_expr() would wait behind DDL.
                    or (
                        ix.indpred::text
                        !~ '[{](?!BOOLEXPR :boolop and |NULLTEST |VAR )|:nulltesttype 0 |:argisrow true|:varattno -'
                        and not exists (
                            select
                            from pg_catalog.regexp_matches(ix.indpred::text, ':varattno (\d+) ', 'g') as told (attnum)
                            where told.attnum[1]::int2 <> all (fk.conkey)
                        )
                    )
                )
        ) as ok,
        key_columns.list as columns,
        key_columns.joined,
        pg_catalog.format('%I.%I', parent_ns.nspname, parent.relname) as refers_to,
        case fk.confdeltype
            when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' when 'r' then 'restrict'
            else 'no action'
        end as on_delete,
        nullif(child.reltuples::int8, -1) as estimated_rows
    from pg_catalog.pg_constraint as fk
    inner join pg_catalog.pg_class as child on fk.conrelid = child.oid
    inner join pg_catalog.pg_namespace as ns on child.relnamespace = ns.oid
    inner join pg_catalog.pg_class as parent on fk.confrelid = parent.oid
    inner join pg_catalog.pg_namespace as parent_ns on parent.relnamespace = parent_ns.oid
    cross join lateral (
        select
            pg_catalog.string_agg(pg_catalog.quote_ident(att.attname), ', ' order by k.place) as list,
            pg_catalog.string_agg(att.attname, '_' order by k.place) as joined
        from pg_catalog.unnest(fk.conkey) with ordinality as k (attnum, place)
        inner join pg_catalog.pg_attribute as att on fk.conrelid = att.attrelid and k.attnum = att.attnum
    ) as key_columns
    where
        fk.contype = 'f'
        and fk.conparentid = 0
    offset 0 -- noqa: AM09
) as judged
order by subject
