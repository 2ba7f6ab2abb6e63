/*---
title: No column is padded with blanks
subject: column
universe: columns of characters
priority: info
effort: M
credit: ratio
spares_bookkeeping: true
why: |
  char(n) fills each value up with blanks to its length, shows them, and leaves them out of account when it compares; a
  LIKE or a regular expression sees them. It is neither smaller nor quicker than varchar or text, and doesn't even
  make sure that a code has n letters: a shorter one is padded.
mend: |
  Change the type to text with a CHECK on the length, or to varchar(n), together with the columns that refer to it by a
  foreign key. This rewrites the table under an exclusive lock. A fixed code such as char(2) for a country does no harm.
links:
  - https://www.postgresql.org/docs/current/datatype-character.html
  - https://wiki.postgresql.org/wiki/Don%27t_Do_This#Don.27t_use_char.28n.29
---*/
-- bpchar without a length is not padded. Domains (the length is theirs) and arrays (the length is the column's) are
-- looked through. Partitions: the root's columns stand for theirs.
with recursive held (type, base, typmod) as (
    select
        t.oid as type,
        t.oid as base,
        -1 as typmod
    from pg_catalog.pg_type as t
    where
        t.oid in (
            'pg_catalog.bpchar'::pg_catalog.regtype,
            'pg_catalog.varchar'::pg_catalog.regtype,
            'pg_catalog.text'::pg_catalog.regtype
        )
    union all
    select
        t.oid,
        held.base,
        case when t.typtype = 'd' and t.typtypmod <> -1 then t.typtypmod else held.typmod end
    from held
    inner join pg_catalog.pg_type as t
        on held.type = case when t.typtype = 'd' then t.typbasetype when t.typcategory = 'A' then t.typelem end
)

select
    pg_catalog.format('%I.%I.%I', ns.nspname, c.relname, att.attname) as subject,
    c.oid as objid,
    ns.oid as schemaid,
    not (
        held.base = 'pg_catalog.bpchar'::pg_catalog.regtype
        and (att.atttypmod <> -1 or held.typmod <> -1)
    ) as ok,
    pg_catalog.format_type(att.atttypid, att.atttypmod) as type
from pg_catalog.pg_attribute as att
inner join held on att.atttypid = held.type
inner join pg_catalog.pg_class as c on att.attrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and att.attnum > 0
    and att.atttypid <> 0 -- a dropped column has no type
    and att.atttypid = any (array(select h.type from held as h)) -- told by the column alone, before any join
order by subject
