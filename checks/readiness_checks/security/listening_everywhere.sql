/*---
title: The server listens on the addresses that it is meant to be reached by
subject: setting
universe: settings of listen_addresses
priority: info
effort: S
credit: binary
why: |
  With a wildcard the server takes sessions on every interface that the host has, today's and tomorrow's, the public one
  too. In a container, whose network is made for it, that is the custom.
mend: |
  Name the addresses: listen_addresses = '10.0.0.5, localhost'; this takes a restart.
links:
  - https://www.postgresql.org/docs/current/runtime-config-connection.html
---*/
select
    s.name as subject,
    s.reset_val !~ '(^|,)\s*(\*|0\.0\.0\.0|::)\s*(,|$)' as ok,
    s.reset_val as value
from pg_catalog.pg_settings as s
where s.name = 'listen_addresses'
