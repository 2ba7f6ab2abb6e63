/*---
title: The log tells what will be asked after an incident
subject: setting
universe: settings of the log
priority: P2
effort: S
credit: ratio
why: |
  After an incident the log is what is left: who waited for whose lock, which statements were slow, which sorts went to
  disk, what autovacuum and the checkpoints did meanwhile. Most of that is off by default and can't be had afterwards.
mend: |
  Set it and reload. The values given are a start: lower them where the log stays readable.
links:
  - https://www.postgresql.org/docs/current/runtime-config-logging.html
---*/
-- Without a destination there is no log; and from log_min_messages = fatal on no line of all these is written into it.
-- Statements count as logged when all slow ones are, or a sample. Everything, from 0 ms on, is the operator's choice;
-- what takes over an hour was noticed before. What our own role or session has covers the server's.
with wanted (name, value) as (
    values
    ('log_autovacuum_min_duration', '10min'),
    ('log_checkpoints', 'on'),
    ('log_destination', 'stderr'),
    ('log_lock_waits', 'on'),
    ('log_min_duration_statement', '1s'),
    ('log_min_messages', 'warning'),
    ('log_temp_files', '10MB')
)

select
    wanted.name as subject,
    case
        when s.source in ('user', 'database user', 'client') then null
        when wanted.name = 'log_min_duration_statement' then logged.slow or logged.sampled
        else s.reset_val not in ('off', '-1', '', 'fatal', 'panic')
    end as ok,
    case when s.source in ('user', 'database user', 'client') then 'not_observable' end as unseen,
    pg_catalog.format(
        E'alter system set %s = %L;\nselect pg_catalog.pg_reload_conf();', wanted.name, wanted.value
    ) as remedy,
    s.reset_val as value,
    s.unit,
    s.source as set_by
from wanted
inner join pg_catalog.pg_settings as s on wanted.name = s.name
cross join (
    select
        pg_catalog.bool_or(d.name = 'log_min_duration_statement' and d.milliseconds between 0 and 3600000) as slow,
        pg_catalog.bool_or(d.name = 'log_min_duration_sample' and d.milliseconds between 0 and 3600000)
        and pg_catalog.current_setting('log_statement_sample_rate')::pg_catalog.float8 > 0 as sampled
    from (
        select
            p.name,
            p.reset_val::pg_catalog.int8 as milliseconds
        from pg_catalog.pg_settings as p
        where p.name in ('log_min_duration_statement', 'log_min_duration_sample')
    ) as d
) as logged
order by subject
