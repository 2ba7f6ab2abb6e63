from readiness import RATIO, Answer, NotApplicable, Observation, Reason, Unseen, check
from readiness.facts.lint import BLOCKING, PendingMigration, PendingMigrations, Remark


@check(
    subject="migration",
    universe="pending migrations",
    priority="P1",
    effort="M",
    credit=RATIO,
    needs=["select migration history"],
    mend="""
    Take the way that doesn't block: an index CONCURRENTLY, a constraint NOT VALID and validated later, a new column that is
    filled in steps beside the old one. Drop or rename only what no running version reads, in a deployment of its own.
    """,
    links=("https://squawkhq.com/docs/rules",),
)
def unsafe_statement(pending: PendingMigrations, *, small_rows: int = 10_000) -> Answer:
    """No pending migration blocks a large table for long, or destroys what is there.

    Most changes of a table are done in milliseconds, and some read or write every row under a lock that stops all else: it
    looks the same on a developer's machine. Judged by the tables as they are: of up to `small_rows` rows none blocks long.
    """
    if not pending.found:
        return NotApplicable(f"0 migrations of {pending.directory} are pending")
    return [_judge(m, small_rows) for m in pending.found]


def _judge(migration: PendingMigration, small_rows: int) -> Observation | Unseen:
    if migration.remarks is None:
        return Unseen(
            subject=migration.name,
            reason=Reason.UNSUPPORTED,
            detail="it is no SQL; what it runs is known when it runs",
            unlock=None,
            evidence={"file": migration.place},
        )
    bad = [r for r in migration.remarks if _bad(r, small_rows)]
    return Observation(
        subject=migration.name,
        ok=not bad,
        evidence={
            "file": migration.place,
            "line": bad[0].line if bad else None,
            "statements": [f"line {r.line}: {r.rule} on {r.table} ({_rows(r)})" for r in bad],
            "why": bad[0].message if bad else None,
        },
        remedy=next((r.advice for r in bad if r.advice), None),
    )


def _bad(remark: Remark, small_rows: int) -> bool:
    if remark.rule in BLOCKING:
        return remark.rows is None or remark.rows > small_rows
    return remark.rows != 0


def _rows(remark: Remark) -> str:
    return "never analysed" if remark.rows is None else f"about {remark.rows:,} rows"
