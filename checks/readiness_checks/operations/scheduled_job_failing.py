from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.authoring import Subject
from readiness.facts.jobs import Job, ScheduledJobs
from readiness.facts.server import Server
from readiness.model import quote_ident


@check(
    subject="query",
    universe="pg_cron's jobs that are to run",
    priority="P2",
    effort="S",
    credit=RATIO,
    mend="""
    `select * from cron.job_run_details order by end_time desc;` tells what its last runs said. A job that nobody needs is better
    taken out: `select cron.unschedule('name');`.
    """,
    links=("https://github.com/citusdata/pg_cron",),
)
def scheduled_job_failing(scheduled: ScheduledJobs, server: Server) -> Answer:
    """Every job that the database runs by itself succeeded when it last ran, and somebody starts them.

    Partitions that are made ahead, rows that must not be kept, views that are refreshed: a job fails without anybody seeing
    it, until what it was for is missing.
    """
    active = [job for job in scheduled.jobs if job.active]
    if not active:
        return NotApplicable("0 jobs of pg_cron that are to run")
    answers: list[Subject] = [_judge(job) for job in active]
    return [*answers, _launcher(scheduled, server)]


def _launcher(scheduled: ScheduledJobs, server: Server) -> Subject:
    """A run that succeeded long ago says nothing of the next one, unless somebody starts it."""
    subject = "pg_cron launcher"
    if scheduled.starting is not None:
        return Observation(subject=subject, ok=scheduled.starting)
    if server.standby:
        return Unseen(
            subject=subject,
            reason=Reason.WRONG_ROLE,
            detail="jobs are started on the primary alone",
            unlock="audit the primary",
        )
    return Unseen(
        subject=subject,
        reason=Reason.NO_PERMISSION,
        detail="the role may not see whether it runs",
        unlock=f"grant pg_monitor to {quote_ident(server.role)};",
    )


def _judge(job: Job) -> Subject:
    if job.status is None:
        return Unseen(
            subject=job.name,
            reason=Reason.INSUFFICIENT_SAMPLES,
            detail="no run of it that came to an end is logged",
            unlock="wait for its next run; cron.log_run must be on",
        )
    return Observation(
        subject=job.name,
        ok=job.status != "failed",
        evidence={
            "schedule": job.schedule,
            "database": job.database,
            "status": job.status,
            "said": job.message or None,
            "ended_seconds_ago": None if job.age is None else round(job.age),
        },
    )
