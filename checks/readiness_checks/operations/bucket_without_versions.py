from readiness import RATIO, Answer, Observation, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.objects import Buckets, BucketState


@check(
    subject="store",
    universe="declared buckets",
    priority="P1",
    effort="S",
    credit=RATIO,
    attestable=True,
    mend="""
    `aws s3api put-bucket-versioning --bucket NAME --versioning-configuration Status=Enabled` (MinIO: `mc version enable`),
    with a lifecycle rule that ends noncurrent versions after the days that a mistake may take to be noticed.
    """,
    links=("https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html",),
)
def bucket_without_versions(buckets: Buckets) -> Answer:
    """What is overwritten or deleted in a bucket can be had back, and does not stay for ever.

    A database's backup does not hold the files. Without versions, a wrong delete is final; without a rule that ends old
    versions, what was deleted is paid for without end, and kept from nobody who asked to be forgotten. Where backups of the
    bucket are taken otherwise, that can be attested.
    """

    def judge(place: str, seen: BucketState | Unobservable | None) -> Subject:
        if isinstance(seen, BucketState):
            problem = next((f for f in (seen.versioned, seen.expires_versions) if isinstance(f, Unobservable)), None)
            evidence = {
                "versioned": seen.versioned if isinstance(seen.versioned, bool) else None,
                "old_versions_end": seen.expires_versions if isinstance(seen.expires_versions, bool) else None,
            }
            if problem is None or False in evidence.values():
                return Observation(subject=place, ok=False not in evidence.values(), evidence=evidence)
            return Unseen(subject=place, reason=problem.reason, detail=problem.detail, unlock=problem.unlock)
        if seen is None:
            return Observation(subject=place, ok=False, evidence={"state": "there is no such bucket"})
        return Unseen(subject=place, reason=seen.reason, detail=seen.detail, unlock=seen.unlock)

    return [judge(place, seen) for place, seen in buckets.by_place.items()]
