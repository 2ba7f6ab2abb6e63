from readiness import RATIO, Answer, Observation, Reason, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.redis import RedisStates
from readiness.facts.target import Stores
from readiness.model import Scalar
from readiness.profile import RedisStore


@check(
    subject="store",
    universe="Redis stores",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="""
    Set `maxmemory` below what the machine has to give; for a cache `maxmemory-policy allkeys-lru` (or allkeys-lfu), for data
    `noeviction`, in its configuration and with `config set`.
    """,
    links=("https://redis.io/docs/latest/develop/reference/eviction/",),
)
def unbounded_store_memory(states: RedisStates, stores: Stores) -> Answer:
    """Every Redis has a bound on its memory, and does the right thing there: a cache evicts, data stays.

    Without a bound it grows until the kernel ends it, or its neighbour. A cache that may evict nothing refuses writes when
    it is full, and one that may only evict keys with an expiry does so as soon as the others fill it; data that is evicted is
    lost without a word.
    """

    def judge(name: str, declared: RedisStore) -> Subject:
        state = states.by_name[name]
        keeping = state if isinstance(state, Unobservable) else state.keeping
        if isinstance(keeping, Unobservable):
            return Unseen(subject=name, reason=keeping.reason, detail=keeping.detail, unlock=keeping.unlock)
        evidence: dict[str, Scalar] = {
            "holds": declared.holds,
            "most_bytes": keeping.most_bytes,
            "used_bytes": keeping.used_bytes,
            "policy": keeping.policy,
        }
        if not keeping.most_bytes:
            return Observation(subject=name, ok=False, evidence=evidence)
        if declared.holds is None:
            return Unseen(
                subject=name,
                reason=Reason.NOT_CONFIGURED,
                detail="the profile doesn't say whether it holds data or is a cache",
                unlock=f"declare `stores.{name}.holds: cache` (or data) in the profile",
                evidence=evidence,
            )
        right = keeping.policy != "noeviction" if declared.holds == "cache" else keeping.policy == "noeviction"
        return Observation(subject=name, ok=right, evidence=evidence)

    return [judge(name, declared) for name, declared in stores.of(RedisStore).items()]
