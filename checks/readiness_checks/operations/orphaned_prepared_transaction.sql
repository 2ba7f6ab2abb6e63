/*---
title: No prepared transaction is left behind
subject: transaction
universe: prepared transactions
priority: P1
effort: S
credit: ratio
why: |
  A prepared transaction survives its session and a restart. Until somebody commits it or rolls it back it keeps its
  locks and holds vacuum back, for weeks if its transaction manager has forgotten it; then tables bloat, and
  transaction ids run out. Where nobody uses two-phase commit, max_prepared_transactions = 0 keeps anybody from
  leaving one.
mend: |
  Ask the transaction manager whether it was to be committed or rolled back, and do that, in this database, as its
  owner or a superuser. Rolling back gives up what it wrote.
links:
  - https://www.postgresql.org/docs/current/sql-prepare-transaction.html
---*/
-- Those of this database: they can only be ended from here. A manager that works has them for moments; the policy can
-- say from which age on one counts.
select
    p.gid as subject,
    extract(epoch from pg_catalog.clock_timestamp() - p.prepared) < coalesce(
        nullif(pg_catalog.current_setting('readiness.seconds', true), ''), '0'
    )::pg_catalog.numeric as ok,
    pg_catalog.format(
        E'-- Gives up what it wrote; commit prepared %1$L; keeps it. Its manager knows which.\nrollback prepared %1$L;',
        p.gid
    ) as remedy,
    p.owner::pg_catalog.text as owner,
    extract(epoch from pg_catalog.clock_timestamp() - p.prepared)::pg_catalog.int8 as age_seconds,
    pg_catalog.age(p.transaction) as age_transactions
from pg_catalog.pg_prepared_xacts as p
where p.database = pg_catalog.current_database()
order by subject
