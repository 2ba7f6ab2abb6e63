from readiness import RATIO, Answer, Observation, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.links import CONFIDENCE, Comparison, StoreLinks
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
    once say that rows were lost. Both sides are compared, one by one; above a limit a sample is.
    """

    def judge(place: str, found: Comparison | Unobservable) -> Subject:
        if isinstance(found, Unobservable):
            return Unseen(subject=place, reason=found.reason, detail=found.detail, unlock=found.unlock)
        evidence: dict[str, Scalar | list[Scalar]] = {
            "named_by": ", ".join(c.name for c in found.columns),
            "compared": found.things,
            "orphaned": found.orphaned.count,
            "examples": [*found.orphaned.examples],
        }
        if found.drawn is not None and not found.orphaned.count:
            share = found.drawn.most_orphaned
            evidence |= {"sampled": True, "at_most_share": share, "confidence": None if share is None else CONFIDENCE}
        return Observation(subject=place, ok=not found.orphaned.count, evidence=evidence)

    return [judge(place, found) for place, found in links.by_place.items()]
