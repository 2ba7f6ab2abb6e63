/*---
title: The only superuser that may log in is the one that the cluster was made with
subject: role
universe: superusers that may log in
priority: P2
effort: M
credit: ratio
why: |
  No grant, no policy and no audit binds a superuser. Each further one is a password more behind which everything lies.
  Most of what is done as superuser can be granted: pg_monitor, pg_signal_backend, CREATEROLE, ownership.
mend: |
  Grant what the role needs, then: alter role ... nosuperuser;
links:
  - https://www.postgresql.org/docs/current/role-attributes.html
  - https://www.postgresql.org/docs/current/predefined-roles.html
---*/
select
    pg_catalog.quote_ident(r.rolname) as subject,
    r.oid = 10 as ok, -- the bootstrap superuser, whatever it is called
    pg_catalog.format(
        E'-- It loses all its rights at once; grant what it needs before.\nalter role %I nosuperuser;', r.rolname
    )
        as remedy
from pg_catalog.pg_roles as r
where r.rolsuper and r.rolcanlogin
order by subject
