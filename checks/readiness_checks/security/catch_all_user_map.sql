/*---
title: No user map lets everybody in as somebody else
subject: rule
universe: lines of pg_ident.conf
priority: P1
effort: S
credit: ratio
needs: [postgres 15]
why: |
  pg_ident.conf says which name of the outside (a certificate's, an account's, a Kerberos principal's) may log in as
  which role. A pattern that every name matches makes each certificate of the authority, or each account of the host,
  that role.
mend: |
  Anchor the pattern and name those who are meant; let \1 carry the name over where each is to be himself.
links:
  - https://www.postgresql.org/docs/current/auth-username-maps.html
---*/
-- A pattern begins with a slash. One that two names match which nobody has, matches everybody. To be mapped to oneself
-- (\1) is no harm. The view is a superuser's, or whose it was granted to.
select
    'pg_ident.conf:' || m.line_number as subject,
    not (
        m.error is null
        and m.sys_name like '/%'
        and m.pg_username !~ '\\1'
        and 'readiness-nobody' ~ pg_catalog.substr(m.sys_name, 2)
        and 'zq9@EXAMPLE.INVALID' ~ pg_catalog.substr(m.sys_name, 2)
    ) as ok,
    m.map_name,
    m.sys_name as pattern,
    m.pg_username as becomes,
    exists (
        select
        from pg_catalog.pg_roles as r
        where r.rolsuper and (m.pg_username = r.rolname or m.pg_username = 'all' or m.pg_username like '/%')
    ) as may_become_superuser
from pg_catalog.pg_ident_file_mappings as m
order by subject
