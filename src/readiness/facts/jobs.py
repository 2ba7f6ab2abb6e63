"""Jobs that the database runs by itself: pg_cron's, as its own tables tell them (https://github.com/citusdata/pg_cron)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.model import Reason, quote_ident


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job.

    Args:
        name: its own, or its number.
        active: whether it is to run at all.
        status: of its last run that has come to an end, as pg_cron has it (succeeded, failed); None where it had none that
            is still logged.
        message: what that run said.
        age: seconds since it ended.
    """

    name: str
    database: str
    schedule: str
    active: bool
    status: str | None
    message: str
    age: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJobs:
    """The jobs, and whether what starts them is at work.

    Args:
        starting: whether pg_cron's launcher runs, and is to start jobs; None where the role may not see it, and on a standby,
            where it never runs.
    """

    jobs: tuple[Job, ...]
    starting: bool | None

    @classmethod
    def take(cls, postgres: Postgres, server: Server) -> Self:
        """Without the extension, and without pg_cron on the server, there is none.

        Raises:
            Unobservable: they lie in another database, or the role may not read them all.
        """
        role = quote_ident(server.role)
        if "pg_cron" not in server.extensions:
            try:
                (row,) = postgres.rows(_HOME, marker="scheduled-jobs")
            except Unobservable as refusal:
                if refusal.reason is Reason.NO_PERMISSION:
                    raise Unobservable(refusal.reason, refusal.detail, f"grant pg_monitor to {role};") from refusal
                raise
            if row["home"] in (None, server.database):  # loaded, and nobody made the extension: it runs nothing
                return cls(jobs=(), starting=None)
            raise Unobservable(
                Reason.NOT_OBSERVABLE,
                f"pg_cron keeps its jobs in the database {quote_ident(row['home'])}",
                "audit that database, too",
            )
        try:
            rows = postgres.rows(_JOBS, marker="scheduled-jobs")
            (row,) = postgres.rows(_LAUNCHER, marker="scheduled-jobs")
        except Unobservable as refusal:
            if refusal.reason is not Reason.NO_PERMISSION:
                raise
            raise Unobservable(
                Reason.NO_PERMISSION,
                "pg_cron shows each role its own jobs alone",
                f"grant usage on schema cron to {role}; grant select on cron.job, cron.job_run_details to {role}; "
                f"alter role {role} bypassrls;",
            ) from refusal
        starting: bool | None = None if server.standby else row["starting"]
        return cls(
            jobs=tuple(
                Job(
                    name=r["name"],
                    database=r["database"],
                    schedule=r["schedule"],
                    active=r["active"],
                    status=r["status"],
                    message=r["message"],
                    age=r["age"],
                )
                for r in rows
            ),
            starting=starting,
        )


_HOME = "select pg_catalog.current_setting('cron.database_name', true) as home"

_LAUNCHER = """
select
    case
        when pg_catalog.bool_or(a.backend_type is not null and a.usesysid is null)
            then coalesce(pg_catalog.bool_or(a.backend_type = 'pg_cron launcher'), false)
            and coalesce(pg_catalog.current_setting('cron.launch_active_jobs', true), 'on') <> 'off'
    end as starting
from pg_catalog.pg_stat_activity as a
"""

# Commands may hold secrets, and stay there. Nobody but the operator ever takes runs out, which have no index but by number.
_JOBS = """
with lately as (
    select d.jobid, d.status, d.return_message, coalesce(d.end_time, d.start_time) as end_time, d.runid
    from cron.job_run_details as d
    order by d.runid desc
    limit 100000
)
select
    coalesce(nullif(pg_catalog.to_jsonb(j) ->> 'jobname', ''), 'job ' || j.jobid::text) as name,
    j.database,
    j.schedule,
    j.active,
    last.status,
    pg_catalog.left(coalesce(last.return_message, ''), 200) as message,
    extract(epoch from pg_catalog.clock_timestamp() - last.end_time)::float8 as age
from cron.job as j
left join (
    select distinct on (d.jobid) d.jobid, d.status, d.return_message, d.end_time
    from lately as d
    where d.status in ('succeeded', 'failed') -- one that could not connect has no end
    order by d.jobid, d.runid desc
) as last on j.jobid = last.jobid
order by j.jobid
"""
