from readiness import RATIO, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.links import CONFIDENCE, LONGER, Comparison, LinkColumn, StoreLinks
from readiness.model import Scalar


@check(
    subject="column",
    universe="columns that name points or objects in a store",
    priority="P0",
    effort="M",
    credit=RATIO,
    mend="""
    Write what is missing anew (embed the chunk again, upload the file again, or restore the bucket's version), or delete the
    rows, so that nobody searches for it. Then let the service write the store first and the row last.
    """,
)
def unresolved_reference(links: StoreLinks) -> Answer:
    """Every id that a row names in a store leads to something there.

    No foreign key reaches into another store: a point that was deleted, or never written, leaves a chunk that no search
    finds; a lost object leaves a file that can't be opened. Both sides are compared, one by one; above a limit a sample
    is, and the share that may be at fault all the same is told.
    """
    answers: list[Subject] = []
    for place, found in links.by_place.items():
        if isinstance(found, Unobservable):
            named = [(c, "column") for c in links.columns[place]] or [(place, "store")]
            answers += [
                Unseen(
                    subject=c, kind=kind, reason=found.reason, detail=f"{place}: {found.detail}", unlock=found.unlock
                )
                for c, kind in named
            ]
        else:
            answers += [_judge(place, c, found) for c in found.columns]
            answers += [
                Unseen(
                    subject=column,
                    reason=Reason.UNSUPPORTED,
                    detail=f"{place}: there is no column {column} yet",
                    unlock="make what the canonical schema has (schema/missing-table, schema/column-differs)",
                )
                for column in found.missing
            ]
    return answers


def _judge(place: str, column: LinkColumn, found: Comparison) -> Subject:
    evidence: dict[str, Scalar | list[Scalar]] = {
        "in": place,
        "compared": found.rows,
        "unresolved": column.unresolved.count,
        "examples": [*column.unresolved.examples],
        "naming_nothing": column.nulls,
    }
    faults = column.unresolved.count + column.nulls
    if found.ended is not None:
        evidence |= {"broken_off_after_seconds": found.ended}
        if not faults:
            return Unseen(
                subject=column.name,
                reason=Reason.TIMEOUT,
                detail=f"{place}: time was over when {found.rows:,} ids had been compared; none of those is at fault",
                unlock=LONGER,
                evidence=evidence,
            )
    if found.drawn is not None and not faults:
        if not found.drawn.rows:
            return Unseen(
                subject=column.name, reason=Reason.INSUFFICIENT_SAMPLES, detail=f"{place}: no row could be drawn"
            )
        evidence |= {"sampled": True, "at_most_share": found.drawn.most_unresolved, "confidence": CONFIDENCE}
    return Observation(subject=column.name, ok=not faults, evidence=evidence)
