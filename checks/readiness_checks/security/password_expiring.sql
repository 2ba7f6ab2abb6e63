/*---
title: No password of a login role ends within days
subject: role
universe: login roles
priority: P1
effort: S
credit: ratio
why: |
  VALID UNTIL ends a password at its second, for new sessions: a pool lives on for hours, and then the service can't
  connect any more. What ended already is a role that nobody misses, or one that somebody is about to.
mend: |
  Set a new password and a new end, and hand it to the service, before the old one is over. Where nobody uses the role:
  alter role ... nologin;
links:
  - https://www.postgresql.org/docs/current/sql-createrole.html
---*/
-- Certificates and other means don't look at it; a role that logs in by them needs no end of a password.
select
    pg_catalog.quote_ident(r.rolname) as subject,
    coalesce(
        r.rolvaliduntil > pg_catalog.clock_timestamp() + pg_catalog.make_interval(
            days => coalesce(
                nullif(pg_catalog.current_setting('readiness.days', true), ''), '14'
            )::pg_catalog.int4
        ),
        true
    ) as ok,
    r.rolvaliduntil::pg_catalog.text as valid_until,
    r.rolvaliduntil <= pg_catalog.clock_timestamp() as is_over
from pg_catalog.pg_roles as r
where r.rolcanlogin
order by subject
