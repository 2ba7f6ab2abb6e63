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
    `config set appendonly yes` (a second of writes may be lost; `appendfsync always` loses none), and the same in its
    configuration; look in its log where the last snapshot failed (the disk is full, vm.overcommit_memory is 0).
    """,
    links=("https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/",),
)
def store_not_persistent(states: RedisStates, stores: Stores) -> Answer:
    """A Redis that holds data, and is not a mere cache, keeps it on disk, and the last time went well.

    Without an append-only file or snapshots all is gone with the next restart. A snapshot that fails makes Redis refuse
    every write as soon as `stop-writes-on-bgsave-error` is on, which it is by default. The profile says which is a cache
    (`holds: cache`), and may forget.
    """

    def judge(name: str, declared: RedisStore) -> Subject:
        state = states.by_name[name]
        keeping = state if isinstance(state, Unobservable) else state.keeping
        if declared.holds == "cache":
            return Observation(subject=name, ok=True, evidence={"holds": "cache"})
        if declared.holds is None:
            return Unseen(
                subject=name,
                reason=Reason.NOT_CONFIGURED,
                detail="the profile doesn't say whether it holds data or is a cache",
                unlock=f"declare `stores.{name}.holds: cache` (or data) in the profile",
            )
        if isinstance(keeping, Unobservable):
            return Unseen(subject=name, reason=keeping.reason, detail=keeping.detail, unlock=keeping.unlock)
        failed = keeping.last_append_failed or keeping.last_snapshot_failed
        evidence: dict[str, Scalar] = {
            "append_only": keeping.append_only,
            "snapshots": keeping.snapshots,
            "last_failed": failed,
        }
        if not failed and not keeping.append_only and keeping.snapshots is None:
            return Unseen(
                subject=name,
                reason=Reason.NO_PERMISSION,
                detail="it has no append-only file, and whether snapshots are taken can't be read",
                unlock="let its user run CONFIG GET (acl setuser ... +config|get)",
                evidence=evidence,
            )
        kept = keeping.append_only or bool(keeping.snapshots)
        return Observation(subject=name, ok=kept and not failed, evidence=evidence)

    return [judge(name, declared) for name, declared in stores.of(RedisStore).items()]
