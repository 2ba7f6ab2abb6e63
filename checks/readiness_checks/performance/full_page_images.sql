/*---
title: The write-ahead log is no copy of the same pages over and over
subject: server
universe: servers whose write-ahead log is counted
priority: info
effort: S
credit: binary
why: |
  After each checkpoint the first change of a page writes the whole page into the log. Where checkpoints come often,
  most of the log is such copies: it is shipped, archived, replayed on every standby and kept with every backup.
mend: |
  Let checkpoints be further apart (max_wal_size, checkpoint_timeout; performance/checkpoints-on-demand tells when the
  first is too small), and set wal_compression, which shrinks the copies. Random uuids as keys touch many pages:
  version 7 of them touches fewer.
links:
  - https://www.postgresql.org/docs/current/wal-configuration.html
  - https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-WAL-VIEW
---*/
-- PostgreSQL 13 doesn't count what goes into the write-ahead log.
select
    'server' as subject,
    null::pg_catalog.bool as ok,
    'unsupported' as unseen
order by subject
