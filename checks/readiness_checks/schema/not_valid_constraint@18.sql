-- From 18 on a constraint may be declared NOT ENFORCED, which is no promise about old rows or new ones: not a subject.
-- And NOT NULL may be left NOT VALID; being on every other column it is a subject only then.
-- Partitions and children: a constraint that was inherited is its parent's subject; validating the parent's validates
-- it too. Domains: their constraints have no table and are not looked at.
select
    pg_catalog.format('%I.%I:%I', ns.nspname, c.relname, con.conname) as subject,
    con.conrelid as objid,
    ns.oid as schemaid,
    con.convalidated as ok,
    case
        when not con.convalidated
            then pg_catalog.format('alter table %I.%I validate constraint %I;', ns.nspname, c.relname, con.conname)
    end as remedy,
    case con.contype when 'f' then 'foreign key' when 'n' then 'not null' else 'check' end as constraint_type,
    nullif(c.reltuples::pg_catalog.int8, -1) as estimated_rows
from pg_catalog.pg_constraint as con
inner join pg_catalog.pg_class as c on con.conrelid = c.oid
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
where
    (con.contype in ('c', 'f') or (con.contype = 'n' and not con.convalidated))
    and con.conenforced
    and con.conparentid = 0
    and con.coninhcount = 0
order by subject
