from datetime import timedelta

from readiness import BINARY, Answer, Observation, Reason, Unseen, check
from readiness.facts.drills import DrillRecords


@check(
    subject="drill",
    universe="proofs of the last restore drill",
    priority="P0",
    effort="M",
    credit=BINARY,
    attestable=True,
    mend="""
    Run `readiness drill restore`: the newest backup, restored into a scratch server, started, compared and timed. What it
    found wrong stands in the evidence: mend the backup, then run it again.
    """,
)
def restore_unproven(drills: DrillRecords, *, most_days: int = 31) -> Answer:
    """A backup was restored lately, what came back was compared with the source, and it came back as soon as is promised.

    Backups fail silently: every tool says "ok" of a backup that lacks one segment of WAL. Only a restore shows whether
    there is one, how long it takes (RTO) and how much is lost (RPO).
    """
    unlock = "readiness drill restore"
    drill = drills.proved("restore", unlock=unlock)
    expires = min(drill.expires_at, drill.taken_at + timedelta(days=most_days))
    if expires <= drills.now:
        return Unseen(
            subject="restore",
            reason=Reason.STALE,
            detail=f"the last restore drill ({drill.taken_at:%Y-%m-%d}) is older than {most_days} days",
            unlock=unlock,
        )
    told = drill.evidence
    findings = list(told.get("findings") or ())
    answers: list[Observation | Unseen] = [
        Observation(
            subject="restore",
            ok=not findings if told.get("rto_seconds") is not None else drill.passed,
            evidence={
                "taken_at": drill.taken_at.isoformat(),
                "drill": drill.id,
                **{
                    name: told[name] for name in ("tool", "backup", "backup_taken_at", "tables", "rows") if name in told
                },
                **({"findings": findings} if findings else {}),
            },
            expires=expires,
        )
    ]
    for figure in ("rto", "rpo"):
        value, promised = told.get(f"{figure}_seconds"), told.get(f"promised_{figure}_seconds")
        if figure == "rpo" and promised is not None and told.get("restored_to") not in (None, "the newest"):
            answers.append(
                Unseen(
                    subject=figure,
                    reason=Reason.INSUFFICIENT_SAMPLES,
                    detail="the drill recovered to a moment by choice: what a disaster would cost was not measured",
                    unlock="readiness drill restore # without --to",
                )
            )
        elif isinstance(value, int | float):
            evidence = {"figure": figure, "unit": "s", "value": value, "source": f"drill {drill.id}"}
            answers.append(
                Observation(
                    subject=figure,
                    ok=promised is None or value <= promised,
                    evidence=evidence | ({"target": promised} if promised is not None else {}),
                    expires=expires,
                )
            )
    for name, why in (line.split(": ", 1) for line in told.get("unproved") or () if ": " in line):
        reason, way = _unproved(why)
        answers.append(Unseen(subject=name, reason=reason, detail=why, unlock=way))
    return answers


def _unproved(why: str) -> tuple[Reason, str]:
    """Of a table that could not be compared: what for, and what helps."""
    if "--rows-up-to" in why:
        return Reason.INSUFFICIENT_SAMPLES, "readiness drill restore --rows-up-to 10000000 # or right behind a backup"
    if "lock timeout" in why or "while it was read" in why:
        return Reason.LOCKED, "readiness drill restore # in a quiet hour"
    return (
        Reason.NO_PERMISSION,
        "let the drill's role read every table, past row level security too (readiness role-sql --tier 5)",
    )
