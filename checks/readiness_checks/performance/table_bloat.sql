/*---
title: Tables are not much larger than their rows
subject: table
universe: tables
priority: info
effort: M
credit: ratio
why: |
  Vacuum makes the room of dead rows fit for new ones, and gives little of it back. After a mass delete, or a day when
  vacuum was held back, a table stays as large as it ever was, and every scan and every backup reads the empty pages
  along. An estimate, from the statistics that are there: rows, their average width, alignment at its worst, so that
  rather too little is told than too much. What lies in TOAST is not in it.
mend: |
  Find out what held vacuum back, and see to that first. pg_repack or pg_squeeze rewrite the table while it is used;
  VACUUM FULL locks it for as long as it takes. pgstattuple tells the exact figure, and reads the table for it.
links:
  - https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-SPACE-RECOVERY
  - https://www.postgresql.org/docs/current/storage-page-layout.html
---*/
-- Pages as the last vacuum or analyze counted them: no function of size, which would wait behind DDL. Small tables are
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
        c.oid,
        c.relname,
        c.relnamespace,
        c.reltuples::pg_catalog.numeric as rows_there,
        c.relpages::pg_catalog.int8 as pages,
        c.relpages * bound.page >= bound.bytes as large,
        coalesce((
            select pg_catalog.split_part(o.setting, '=', 2)::pg_catalog.numeric
            from pg_catalog.unnest(c.reloptions) as o (setting)
            where o.setting like 'fillfactor=%'
        ), 100) as fillfactor
    from pg_catalog.pg_class as c
    cross join bound
    where c.relkind in ('r', 'm') and c.relpersistence <> 't'
),

measured as (
    select
        s.oid,
        columns.unseen,
        columns.unread,
        pg_catalog.ceil(s.rows_there / greatest(1, pg_catalog.floor(
            (bound.page - 24) * s.fillfactor / 100
            -- line pointer 4, header 23, a bit for each column where one is null; all in steps of 8
            / (4 + 8 * pg_catalog.ceil((23 + columns.bitmap) / 8.0) + 8 * pg_catalog.ceil(columns.width / 8.0))
        ))) as pages_needed
    from sized as s
    inner join pg_catalog.pg_namespace as ns on s.relnamespace = ns.oid
    cross join bound
    cross join lateral (
        select
            pg_catalog.count(*) filter (where st.avg_width is null) as unseen,
            pg_catalog.count(*) filter (
                where st.avg_width is null and not (
                    pg_catalog.has_column_privilege(s.oid, att.attnum, 'select')
                    and not pg_catalog.row_security_active(s.oid)
                )
            ) as unread,
            coalesce(
                pg_catalog.max((st.null_frac > 0)::pg_catalog.int4) * pg_catalog.ceil(pg_catalog.count(*) / 8.0), 0
            ) as bitmap,
            coalesce(pg_catalog.sum(
                st.avg_width::pg_catalog.numeric * (1 - st.null_frac::pg_catalog.numeric) + att.padding
            ), 0) as width
        from (
            select
                a.attname,
                a.attnum,
                -- no gap behind a column that ends where this one may begin
                case
                    when a.attlen > 0 and a.attalign = pg_catalog.lag(a.attalign) over w
                        and pg_catalog.lag(a.attlen) over w > 0 then 0
                    when a.attlen > 0 or st_wide.is_wide
                        then case a.attalign when 'd' then 7 when 'i' then 3 when 's' then 1 else 0 end
                    else 0 -- a short header needs no alignment
                end as padding
            from pg_catalog.pg_attribute as a
            cross join lateral (select a.attlen = -1 and a.attstorage = 'p' as is_wide) as st_wide
            where a.attrelid = s.oid and a.attnum > 0 and not a.attisdropped
            window w as (order by a.attnum)
        ) as att
        left join pg_catalog.pg_stats as st
            on
                ns.nspname = st.schemaname and s.relname = st.tablename and att.attname = st.attname
                and not st.inherited
    ) as columns
    where s.large
)

select
    pg_catalog.format('%I.%I', ns.nspname, s.relname) as subject,
    s.oid as objid,
    ns.oid as schemaid,
    case
        when not s.large then true
        when m.unseen = 0 and s.rows_there >= 0
            then (s.pages - m.pages_needed) * bound.page < bound.bytes
            or (s.pages - m.pages_needed) * 100 < s.pages * bound.percent
    end as ok,
    case when m.unread > 0 then 'no_permission' else 'insufficient_samples' end as unseen,
    case
        when m.unread > 0 then pg_catalog.format('grant select on %I.%I to %I;', ns.nspname, s.relname, current_user)
        else pg_catalog.format('analyze %I.%I;', ns.nspname, s.relname)
    end as unlock,
    pg_catalog.format(
        E'-- Nobody reads or writes it meanwhile; pg_repack does it in use.\nvacuum (full, analyze) %I.%I;',
        ns.nspname, s.relname
    ) as remedy,
    s.pages * bound.page as bytes,
    greatest(0, s.pages - m.pages_needed)::pg_catalog.int8 * bound.page as estimated_bloat_bytes
from sized as s
inner join pg_catalog.pg_namespace as ns on s.relnamespace = ns.oid
cross join bound
left join measured as m on s.oid = m.oid
order by subject
