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
    `aws s3api put-bucket-encryption --bucket NAME ...` (MinIO: `mc encrypt set sse-s3 NAME`, with a KMS); where the volume
    below is enciphered instead, attest that.
    """,
    links=("https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html",),
)
def bucket_unencrypted(buckets: Buckets) -> Answer:
    """Objects are enciphered where they lie, without each writer having to ask for it.

    What lies in a bucket outlives disks that are replaced and machines that are sold. A default of the bucket's counts for
    every object that is written from then on.
    """

    def judge(place: str, seen: BucketState | Unobservable | None) -> Subject:
        if seen is None:
            return Observation(subject=place, ok=False, evidence={"state": "there is no such bucket"})
        found = seen if isinstance(seen, Unobservable) else seen.encryption
        if isinstance(found, Unobservable):
            return Unseen(subject=place, reason=found.reason, detail=found.detail, unlock=found.unlock)
        return Observation(subject=place, ok=found is not None, evidence={"by_default": found or "none"})

    return [judge(place, seen) for place, seen in buckets.by_place.items()]
