/*---
title: Text has no length that was guessed
subject: column
universe: columns of character type
priority: info
effort: S
credit: ratio
spares_bookkeeping: true
why: |
  varchar(50) saves nothing over text: both take what the value takes. The limit was mostly guessed, and the first name
  that is longer is an error for its owner. Where a length is a rule, a CHECK says so by name and changes without a
  rewrite. An opinion: told, not counted.
mend: |
  alter table ... alter column ... type varchar; needs no rewrite (nor does text, where no foreign key ties the type to
  another column's). A view, policy or trigger that uses the column has to be made again around it. Where the length is
  a rule, add a CHECK on char_length(column), NOT VALID first and validated after.
links:
  - https://www.postgresql.org/docs/current/datatype-character.html
---*/
with recursive below (oid, heir) as (
    select
        i.inhparent,
        i.inhrelid
    from pg_catalog.pg_inherits as i
    union
    select
        below.oid,
        i.inhrelid
    from below
    inner join pg_catalog.pg_inherits as i on below.heir = i.inhparent
),

heirs as materialized (
    select
        below.oid,
        pg_catalog.array_agg(below.heir) as tables
    from below
    group by below.oid
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    att.atttypid = 'pg_catalog.text'::pg_catalog.regtype or att.atttypmod < 0 as ok,
    case
        when
            att.atttypmod >= 0
            and att.attinhcount = 0
            and att.attgenerated = ''
            -- What forbids the change of a column's type, this one too: a partition key, and a view, rule, policy,
            -- trigger, routine, publication or generated column that uses the column.
            and not exists (
                select
                from pg_catalog.pg_partitioned_table as pt
                where pt.partrelid = att.attrelid and att.attnum = any (pt.partattrs::pg_catalog.int2[])
            )
            and not exists (
                select
                from pg_catalog.pg_attribute as own
                inner join pg_catalog.pg_depend as d on own.attrelid = d.refobjid and own.attnum = d.refobjsubid
                left join pg_catalog.pg_attrdef as def
                    on d.objid = def.oid and d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
                where
                    d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    and own.attname = att.attname
                    -- a change reaches partitions and inheriting tables
                    and (own.attrelid = att.attrelid or (c.relhassubclass and own.attrelid = any (heirs.tables)))
                    and (
                        d.classid not in (
                            'pg_catalog.pg_class'::pg_catalog.regclass,
                            'pg_catalog.pg_constraint'::pg_catalog.regclass,
                            'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
                        )
                        -- before 15 a generated column stands there itself, after that its expression
                        or (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid > 0)
                    )
                    and def.adnum is distinct from own.attnum
            )
            -- not text: a foreign key's two sides would differ
            then pg_catalog.format(
                'alter table %I.%I alter column %I type varchar;', ns.nspname, c.relname, att.attname
            )
    end as remedy,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type
from pg_catalog.pg_attribute as att
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
left join heirs on c.relhassubclass and c.oid = heirs.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and att.atttypid <> 0 -- a dropped column has no type
    and att.atttypid in ('pg_catalog.text'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype)
order by subject
