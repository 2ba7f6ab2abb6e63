from readiness import RATIO, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.links import CONFIDENCE, LONGER, Comparison, StoreLinks
from readiness.model import Scalar


@check(
    subject="store",
    universe="collections and buckets whose rows are declared",
    priority="P1",
    effort="M",
    credit=RATIO,
    mend="""
    See whether the rows were lost or deleted. Where they were deleted, delete what they named; and let the service do so
    when it deletes a row (by a queue in the same transaction, not in a request of its own).
    """,
)
def orphaned_object(links: StoreLinks) -> Answer:
    """Everything that lies in a store has a row that names it.

    What no row names is found by searches all the same, is paid for, and stays when its owner asks to be forgotten. Many at
    once say that rows were lost. Both sides are compared, one by one; above a limit a sample is, drawn at random, and the share
    that may be at fault all the same is told. Where a column of the canonical schema is still to be made, no row names anything.
    """

    def judge(place: str, found: Comparison | Unobservable) -> Subject:
        if isinstance(found, Unobservable):
            return Unseen(subject=place, reason=found.reason, detail=found.detail, unlock=found.unlock)
        evidence: dict[str, Scalar | list[Scalar]] = {
            "named_by": ", ".join(c.name for c in found.columns) or None,
            "still_to_be_made": ", ".join(found.missing) or None,
            "compared": found.things,
            "orphaned": found.orphaned.count,
            "examples": [*found.orphaned.examples],
        }
        if found.ended is not None:
            evidence |= {"broken_off_after_seconds": found.ended}
        if found.drawn is not None:
            evidence |= {"sampled": True, "out_of": found.drawn.listed}
        broken_off = found.ended is not None or (found.drawn is not None and not found.drawn.things_at_random)
        if broken_off and not found.orphaned.count:
            return Unseen(
                subject=place,
                reason=Reason.TIMEOUT,
                detail=f"time was over when {found.things:,} had been held against their rows; none of those is at fault",
                unlock=LONGER,
                evidence=evidence,
            )
        if found.drawn is not None and not found.orphaned.count:
            evidence |= {"at_most_share": found.drawn.most_orphaned, "confidence": CONFIDENCE}
        return Observation(subject=place, ok=not found.orphaned.count, evidence=evidence)

    return [judge(place, found) for place, found in links.by_place.items()]
