import re
from datetime import timedelta

from readiness import RATIO, Answer, Observation, Reason, Unseen, check
from readiness.authoring import Subject
from readiness.facts.documents import RestoreRunbook
from readiness.facts.drills import DrillRecords


@check(
    subject="file",
    universe="demands on the restore procedure",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    Write the procedure down where the profile says (`runbook: {restore: ...}`), as the last drill went it: the same tool, the
    same settings. Whoever goes through it writes `Reviewed: YYYY-MM-DD` into it.
    """,
)
def runbook_outdated(runbook: RestoreRunbook, drills: DrillRecords) -> Answer:
    """The restore procedure is written down, was reviewed lately, and is the one that the last restore drill went.

    At the hour when it is needed its author is asleep. A procedure for last year's backup tool costs more of that hour than
    none.
    """
    path = runbook.path
    if runbook.text is None:
        return Observation(subject=path, ok=False, evidence={"state": "there is no such file"})
    answers: list[Subject] = [Observation(subject=path, ok=bool(runbook.text.strip()), evidence={"state": "present"})]
    review = f"{path} (review)"
    if runbook.reviewed_at is None:
        answers.append(
            Unseen(
                subject=review,
                reason=Reason.NOT_OBSERVABLE,
                detail="neither the document nor git says when it was reviewed",
                unlock=f"write `Reviewed: {runbook.now:%Y-%m-%d}` into {path} when it was",
            )
        )
    else:
        age = (runbook.now - runbook.reviewed_at).days
        answers.append(
            Observation(
                subject=review,
                ok=age <= runbook.review_days,
                evidence={
                    "reviewed_at": f"{runbook.reviewed_at:%Y-%m-%d}",
                    "age_days": age,
                    "most_days": runbook.review_days,
                },
                expires=runbook.reviewed_at + timedelta(days=runbook.review_days),
            )
        )
    commands = f"{path} (commands)"
    last = next((r for r in drills.records if r.kind == "restore" and r.evidence.get("words")), None)
    if last is None:
        answers.append(
            Unseen(
                subject=commands,
                reason=Reason.NO_ATTESTATION,
                detail="no restore drill was ever recorded, so that there is nothing to hold it against",
                unlock="readiness drill restore",
            )
        )
    else:
        words = [str(word) for word in last.evidence["words"]]
        absent = [w for w in words if not re.search(rf"(?<![\w-]){re.escape(w)}(?![\w-])", runbook.text)]
        evidence = {"drill": last.id, "words": words} | ({"not_in_it": absent} if absent else {})
        answers.append(Observation(subject=commands, ok=not absent, evidence=evidence))
    return answers
