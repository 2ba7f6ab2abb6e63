/*---
title: Every session from another host is encrypted
subject: role
universe: roles with sessions from other hosts
priority: P1
effort: S
credit: ratio
needs: [pg_monitor]
why: |
  A session without TLS or GSSAPI encryption can be read on the way: its queries, its rows, and with some methods its
  password. Such a session is the proof that one is let in. That there is none just now proves nothing; whether one
  would be let in is what security/plaintext-admitted tries.
mend: |
  Give the clients of these roles sslmode=verify-full, then turn the host line that let them in into hostssl.
links:
  - https://www.postgresql.org/docs/current/libpq-ssl.html
---*/
-- The loopback address is no other host.
select
    pg_catalog.quote_ident(a.usename) as subject,
    pg_catalog.bool_and(coalesce(t.ssl, false) or coalesce(g.encrypted, false)) as ok,
    pg_catalog.count(*) as sessions,
    pg_catalog.count(*) filter (where t.ssl is not true and g.encrypted is not true) as in_the_clear,
    pg_catalog.array_agg(distinct pg_catalog.host(a.client_addr)) as addresses
from pg_catalog.pg_stat_activity as a
left join pg_catalog.pg_stat_ssl as t on a.pid = t.pid
left join pg_catalog.pg_stat_gssapi as g on a.pid = g.pid
where
    a.usename is not null
    and not (
        a.client_addr operator(pg_catalog.<<=) '127.0.0.0/8'::pg_catalog.inet
        or a.client_addr operator(pg_catalog.=) '::1'::pg_catalog.inet
    )
group by a.usename
order by subject
