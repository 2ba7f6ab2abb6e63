/*---
title: B-tree indexes are not much larger than their entries
subject: index
universe: b-tree indexes
priority: info
effort: S
credit: ratio
why: |
  Pages of a b-tree that lose their entries are given back only when they are empty. An index under a queue, or under a
  column that is updated all the time, grows to a multiple of what it holds, and the cache is filled with gaps. An
  estimate: entries, the average width of their columns, one entry for each row, so that rather too little is told than
  too much.
mend: |
  Build it anew while it is used; that needs room for a second one. Where it is back soon, look at the updates: an index
  on a column that changes all the time is written with each.
links:
  - https://www.postgresql.org/docs/current/routine-reindex.html
  - https://www.postgresql.org/docs/current/btree.html#BTREE-STRUCTURE
---*/
-- Pages as the last vacuum or analyze counted them: no function of size, which would wait behind DDL. Small indexes are
-- healthy whatever they hold. pg_stats shows the widths of columns that the role may read.
with bound as (
    select
        coalesce(
            nullif(pg_catalog.current_setting('readiness.megabytes', true), ''), '100'
        )::pg_catalog.int8 * 1048576 as bytes,
        coalesce(nullif(pg_catalog.current_setting('readiness.percent', true), ''), '50')::pg_catalog.numeric
            as percent,
        pg_catalog.current_setting('block_size')::pg_catalog.int8 as page
),

sized as (
    select
        ic.oid,
        ic.relname,
        ic.relnamespace,
        ix.indrelid,
        ic.reltuples::pg_catalog.numeric as entries,
        ic.relpages::pg_catalog.int8 as pages,
        ic.relpages * bound.page >= bound.bytes as large,
        ic.reloptions
    from pg_catalog.pg_index as ix
    inner join pg_catalog.pg_class as ic on ix.indexrelid = ic.oid
    cross join bound
    where
        ic.relam = 403 -- btree, on every version
        and ic.relkind = 'i'
        and ic.relpersistence <> 't'
        and ic.relnamespace <> 'pg_toast'::pg_catalog.regnamespace
        and ix.indisvalid
)

select
    pg_catalog.format('%I.%I', ns.nspname, s.relname) as subject,
    s.indrelid as objid,
    ns.oid as schemaid,
    case
        when not s.large then true
        when m.unseen = 0 and s.entries >= 0
            then (s.pages - m.pages_needed) * bound.page < bound.bytes
            or (s.pages - m.pages_needed) * 100 < s.pages * bound.percent
    end as ok,
    case when m.unread > 0 then 'no_permission' else 'insufficient_samples' end as unseen,
    case
        when not s.large then null
        -- an index has no grants: an expression's statistics are its owner's, and whose who reads all
        when m.unread > 0 and m.of_expression then pg_catalog.format('grant pg_read_all_data to %I;', current_user)
        when m.unread > 0 then pg_catalog.format('grant select on %I.%I to %I;', ns.nspname, m.table_name, current_user)
        else pg_catalog.format('analyze %I.%I;', ns.nspname, m.table_name)
    end as unlock,
    case when s.large then pg_catalog.format('reindex index concurrently %I.%I;', ns.nspname, s.relname) end as remedy,
    case when s.large then pg_catalog.format('%I.%I', ns.nspname, m.table_name) end as on_table,
    s.pages * bound.page as bytes,
    greatest(0, s.pages - m.pages_needed)::pg_catalog.int8 * bound.page as estimated_bloat_bytes
from sized as s
inner join pg_catalog.pg_namespace as ns on s.relnamespace = ns.oid -- its table's too
cross join bound
-- the large ones are looked at one by one
left join lateral (
    select
        c.relname as table_name,
        entry.unseen,
        entry.unread,
        entry.of_expression,
        -- a page has 40 bytes of its own; an entry a line pointer of 4 and a header of 8; a page in a hundred is above
        -- the leaves, with as much again for short ones
        pg_catalog.ceil(1.02 * s.entries / greatest(1, pg_catalog.floor(
            (bound.page - 40) * filled.percent / 100
            / (4 + 8 * pg_catalog.ceil((8 + entry.bitmap + entry.width) / 8.0))
        ))) + 2 as pages_needed
    from pg_catalog.pg_class as c
    cross join lateral (
        select
            pg_catalog.count(*) filter (where st.avg_width is null) as unseen,
            pg_catalog.count(*) filter (
                where st.avg_width is null and not (
                    case key.attnum
                        when 0 then pg_catalog.has_column_privilege(s.oid, a.attnum, 'select')
                        else pg_catalog.has_column_privilege(c.oid, key.attnum, 'select')
                    end
                    and not pg_catalog.row_security_active(c.oid)
                )
            ) as unread,
            pg_catalog.bool_or(key.attnum = 0) as of_expression,
            coalesce(8 * pg_catalog.max((st.null_frac > 0)::pg_catalog.int4), 0) as bitmap,
            coalesce(pg_catalog.sum(
                st.avg_width::pg_catalog.numeric
                + case when a.attlen > 0 then case a.attalign when 'd' then 7 when 'i' then 3 else 1 end else 0 end
                * case when a.attnum > 1 then 1 else 0 end
            ), 0) as width
        from pg_catalog.pg_attribute as a
        cross join lateral (
            select pg_catalog.split_part(ix.indkey::pg_catalog.text, ' ', a.attnum)::pg_catalog.int2 as attnum
            from pg_catalog.pg_index as ix
            where ix.indexrelid = s.oid
        ) as key
        left join pg_catalog.pg_attribute as of_table on c.oid = of_table.attrelid and key.attnum = of_table.attnum
        -- an expression has statistics of its own, by the index's name
        left join pg_catalog.pg_stats as st
            on
                ns.nspname = st.schemaname
                and st.tablename = case key.attnum when 0 then s.relname else c.relname end
                and st.attname = coalesce(of_table.attname, a.attname)
                and not st.inherited
        where a.attrelid = s.oid and a.attnum > 0
    ) as entry
    cross join lateral (
        select coalesce((
            select pg_catalog.split_part(o.setting, '=', 2)::pg_catalog.numeric
            from pg_catalog.unnest(s.reloptions) as o (setting)
            where o.setting like 'fillfactor=%'
        ), 90) as percent
    ) as filled
    where s.large and c.oid = s.indrelid
    -- a fence: nothing of this is done for the others
    offset 0 -- noqa: AM09
) as m on true
order by subject
