from readiness import RATIO, Answer, NotApplicable, Observation, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.objects import S3State, S3States
from readiness.facts.qdrant import QdrantState, QdrantStates
from readiness.facts.redis import RedisState, RedisStates
from readiness.facts.target import Stores
from readiness.model import Scalar


@check(
    subject="store",
    universe="declared stores",
    priority="P0",
    effort="M",
    credit=RATIO,
    mend="Start the store, or look in its log for why it isn't ready; mend its address in the profile where it moved.",
)
def unreachable_store(stores: Stores, qdrant: QdrantStates, redis: RedisStates, s3: S3States) -> Answer:
    """Every store beside Postgres is up, ready, and what it is declared to be.

    A service whose cache, vectors or files are away is half a service, whatever its own health endpoint says. Each store is
    asked in its own protocol: an open port, or another program behind it, is no answer. A declared bucket is there.
    """
    if not stores.by_name:
        return NotApplicable("0 stores are declared")
    seen = {**qdrant.by_name, **redis.by_name, **s3.by_name}
    return [_judge(name, seen[name]) for name in stores.by_name]


def _judge(name: str, seen: QdrantState | RedisState | S3State | Unobservable) -> Subject:
    if isinstance(seen, Unobservable):
        return Unseen(subject=name, reason=seen.reason, detail=seen.detail, unlock=seen.unlock)
    missing: list[str] = []
    match seen:
        case QdrantState(version=version):
            pass
        case RedisState(keeping=keeping):
            version = None if isinstance(keeping, Unobservable) else keeping.version
        case S3State(server=version, buckets=buckets):
            missing = [bucket for bucket, state in buckets.items() if state is None]
    evidence: dict[str, Scalar] = {
        "address": seen.address,
        "says": seen.problem or "ready",
        "version": version,
        "milliseconds": seen.milliseconds,
        "missing_buckets": ", ".join(missing) or None,
    }
    return Observation(subject=name, ok=seen.problem is None and not missing, evidence=evidence)
