/*---
title: A boolean is true or false
subject: column
universe: boolean columns
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  A boolean that may be null has three values: "where not is_active" leaves out the rows that don't say. Right where
  "not answered yet" is meant; mostly nobody meant it. An opinion: told, not counted.
mend: Give it a default, fill what is null in batches, then take the remedy.
links:
  - https://www.postgresql.org/docs/current/datatype-boolean.html
---*/
-- CHECK (b is not null) says it as well as NOT NULL does; and since 18 NOT NULL may be one that wasn't validated, with
-- nulls among the old rows.
with told as materialized (
    select
        con.conrelid,
        con.conkey[1] as attnum,
        pg_catalog.bool_or(con.contype = 'c') as by_check,
        pg_catalog.min(con.conname::pg_catalog.text) filter (where con.contype = 'n') as not_validated
    from pg_catalog.pg_constraint as con
    where
        (con.contype = 'n' and not con.convalidated)
        or (
            con.contype = 'c'
            and con.convalidated
            and con.conbin::pg_catalog.text like '{NULLTEST :arg {VAR %:nulltesttype 1 %'
        )
    group by con.conrelid, con.conkey[1]
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    its.ok,
    case
        when its.ok then null
        when told.not_validated is not null
            then pg_catalog.format(
                E'-- Rows where it is null must be filled before.\nalter table %I.%I validate constraint %I;',
                ns.nspname, c.relname, told.not_validated
            )
        else
            pg_catalog.format(
                E'-- Rows where it is null must be filled before.\n'
                'alter table %1$I.%2$I add constraint %4$I check (%3$I is not null) not valid;\n'
                'alter table %1$I.%2$I validate constraint %4$I;\n'
                'alter table %1$I.%2$I alter column %3$I set not null;\n'
                'alter table %1$I.%2$I drop constraint %4$I;',
                ns.nspname,
                c.relname,
                att.attname,
                -- a column's own, and not one that is left of an earlier try
                (
                    select
                        pg_catalog.min(
                            'readiness_not_null_' || short.name || coalesce('_' || nullif(n, 0)::pg_catalog.text, '')
                        )
                    from (
                        select
                            case
                                when pg_catalog.octet_length(att.attname::pg_catalog.text) <= 40
                                    then att.attname::pg_catalog.text
                                else pg_catalog.md5(att.attname::pg_catalog.text)
                            end as name
                    ) as short
                    cross join pg_catalog.generate_series(0, 9) as n
                    where
                        not exists (
                            select
                            from pg_catalog.pg_constraint as taken
                            where
                                taken.conrelid = c.oid
                                and taken.conname
                                = 'readiness_not_null_'
                                || short.name
                                || coalesce('_' || nullif(n, 0)::pg_catalog.text, '')
                        )
                )
            )
    end as remedy
from pg_catalog.pg_attribute as att
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join told on att.attrelid = told.conrelid and att.attnum = told.attnum
cross join lateral (
    select (att.attnotnull and told.not_validated is null) or coalesce(told.by_check, false) as ok
) as its
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and att.atttypid <> 0 -- a dropped column has no type
    and att.atttypid = 'pg_catalog.bool'::pg_catalog.regtype
order by subject
