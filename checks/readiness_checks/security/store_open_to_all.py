from readiness import RATIO, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.objects import Buckets, BucketState
from readiness.facts.qdrant import QdrantState, QdrantStates
from readiness.facts.redis import RedisState, RedisStates
from readiness.facts.target import Stores
from readiness.profile import S3Store


@check(
    subject="store",
    universe="stores and declared buckets",
    priority="P0",
    effort="S",
    credit=RATIO,
    mend="""
    Redis: `requirepass`, or an ACL whose default user is off. Qdrant: `service.api_key`, and a read-only key for who only
    searches. A bucket: take the policy or ACL away that lets everybody list it, and block public access. Then give each
    service its own key.
    """,
    links=(
        "https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/",
        "https://qdrant.tech/documentation/guides/security/",
    ),
)
def store_open_to_all(qdrant: QdrantStates, redis: RedisStates, buckets: Buckets, stores: Stores) -> Answer:
    """No store answers a stranger: each asks for a key or a password.

    Redis and Qdrant come without one; whoever reaches the port reads every key and every vector, and deletes them. It is
    tried, by asking without credentials; nothing but the list of names is asked for. A bucket that the profile declares
    public may be listed.
    """
    asked = {**qdrant.by_name, **redis.by_name}
    public = {f"{n}/{b}": bucket.public for n, s in stores.of(S3Store).items() for b, bucket in s.buckets.items()}
    return [
        *(_store(name, state) for name, state in asked.items()),
        *(
            _bucket(place, seen, public=public.get(place, False))
            for place, seen in buckets.by_place.items()
            if seen is not None  # there is nothing to be listed
        ),
    ]


def _store(name: str, state: QdrantState | RedisState | Unobservable) -> Subject:
    if isinstance(state, Unobservable):
        return Unseen(subject=name, reason=state.reason, detail=state.detail, unlock=state.unlock)
    asks = state.asks_for_key if isinstance(state, QdrantState) else state.asks_for_password
    if asks is None:
        said = state.problem or "it gave no answer that can be judged"
        return Unseen(subject=name, reason=Reason.UNREACHABLE, detail=said)
    return Observation(subject=name, ok=asks, evidence={"asks_for_credentials": asks})


def _bucket(place: str, seen: BucketState | Unobservable, *, public: bool) -> Subject:
    listed = seen if isinstance(seen, Unobservable) else seen.listed_by_all
    if isinstance(listed, Unobservable):
        return Unseen(subject=place, reason=listed.reason, detail=listed.detail, unlock=listed.unlock)
    return Observation(
        subject=place, ok=public or not listed, evidence={"listed_by_all": listed, "declared_public": public}
    )
