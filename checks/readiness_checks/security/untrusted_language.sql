/*---
title: No function of the application's runs outside of the server's walls
subject: function
universe: functions
priority: P2
effort: M
credit: ratio
why: |
  A function in an untrusted language (plpython3u, plperlu) or in C does what the server's account may do: read its
  files, open connections, run programs. Whoever can call it, or change what it is given, may be able to as well.
mend: |
  Write it in a trusted language, or do the work outside of the database. Where it has to be: revoke execute from
  public, and waive it.
links:
  - https://www.postgresql.org/docs/current/sql-createlanguage.html
---*/
-- Those of extensions are left out: which extensions there are is decided by who may create them.
select
    pg_catalog.format(
        '%I.%I(%s)', ns.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)
    ) as subject,
    f.oid as objid,
    ns.oid as schemaid,
    l.lanpltrusted or l.lanname in ('sql', 'internal') as ok,
    l.lanname as language,
    pg_catalog.pg_get_userbyid(f.proowner) as owner
from pg_catalog.pg_proc as f
inner join pg_catalog.pg_namespace as ns on f.pronamespace = ns.oid
inner join pg_catalog.pg_language as l on f.prolang = l.oid
where f.prokind in ('f', 'p', 'w')
order by subject
