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
select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    att.attnotnull as ok,
    case
        when not att.attnotnull
            then pg_catalog.format(
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
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and att.atttypid <> 0 -- a dropped column has no type
    and att.atttypid = 'pg_catalog.bool'::pg_catalog.regtype
order by subject
