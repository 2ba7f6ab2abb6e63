from readiness import RATIO, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.qdrant import CollectionState, QdrantStates
from readiness.facts.target import Stores
from readiness.model import Scalar
from readiness.profile import Collection, QdrantStore


@check(
    subject="store",
    universe="declared collections of points",
    priority="P1",
    effort="M",
    credit=RATIO,
    mend="""
    Make the collection that is missing, or make it anew with the size of the vectors that the model gives and load the points
    again. `red`: look in Qdrant's log, and free disk or memory. An index: PUT /collections/NAME/index with the field's name.
    """,
    links=(
        "https://qdrant.tech/documentation/concepts/collections/",
        "https://qdrant.tech/documentation/concepts/indexing/",
    ),
)
def collection_unready(states: QdrantStates, stores: Stores) -> Answer:
    """Every declared collection is there, works, takes the declared vectors, and has an index for each declared filter.

    Vectors of another size are refused one by one, at run time. A filter without a payload index looks through all points,
    which shows when there are many. `red` says that an operation failed and that the collection is not to be trusted;
    `grey` that its optimisations wait since a restart.
    """

    def judge(place: str, declared: Collection, seen: CollectionState | None) -> Subject:
        if seen is None:
            return Observation(subject=place, ok=False, evidence={"state": "there is no such collection"})
        indexes = [f for f in declared.payload_indexes if f not in seen.payload_indexes]
        fits = declared.size is None or declared.size in seen.sizes.values()
        evidence: dict[str, Scalar] = {
            "state": seen.status,
            "points": seen.points,
            "size": ", ".join(f"{name or 'vector'} {size}" for name, size in seen.sizes.items()),
            "declared_size": declared.size,
            "without_index": ", ".join(indexes) or None,
            "replicas": seen.replicas,
        }
        return Observation(
            subject=place, ok=fits and not indexes and seen.status in ("green", "yellow"), evidence=evidence
        )

    answers: list[Subject] = []
    for name, store in stores.of(QdrantStore).items():
        state = states.by_name[name]
        seen = state if isinstance(state, Unobservable) else state.collections
        if "collections" not in store.model_fields_set:
            answers.append(
                Unseen(
                    subject=name,
                    reason=Reason.NOT_CONFIGURED,
                    detail="the profile doesn't say which collections it has",
                    unlock=f"declare `stores.{name}.collections` in the profile (empty where there are none)",
                )
            )
        for collection, declared in store.collections.items():
            place = f"{name}/{collection}"
            if isinstance(seen, Unobservable):
                answers.append(Unseen(subject=place, reason=seen.reason, detail=seen.detail, unlock=seen.unlock))
            else:
                answers.append(judge(place, declared, seen.get(collection)))
    return answers
