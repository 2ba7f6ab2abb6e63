from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.authoring import Subject
from readiness.facts.jobs import Job, ScheduledJobs


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
def scheduled_job_failing(scheduled: ScheduledJobs) -> Answer:
    """Every job that the database runs by itself succeeded when it last ran, and somebody starts them.

    Partitions that are made ahead, rows that must not be kept, views that are refreshed: a job fails without anybody seeing
    it, until what it was for is missing.
    """
    active = [job for job in scheduled.jobs if job.active]
    if not active:
        return NotApplicable("0 jobs of pg_cron that are to run")
    answers: list[Subject] = [_judge(job) for job in active]
    if scheduled.starting is not None:
        answers.append(Observation(subject="pg_cron launcher", ok=scheduled.starting))
    return answers


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
