"""S3 and what speaks its protocol (MinIO...): the declared buckets, and how each keeps what lies in it. No object is read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from math import inf
from time import perf_counter
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

from readiness.authoring import Unobservable
from readiness.facts.http import failure_class, get, resolve, side_by_side
from readiness.facts.target import Stores, Target, addressless, bare_url, declared
from readiness.model import Reason
from readiness.profile import S3Store

PAGE = 1_000  # the most keys that S3 lists at a time
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketState:
    """A bucket. What could not be read is an Unobservable in its place.

    Args:
        versioned: whether what is overwritten or deleted can be had back.
        encryption: by which algorithm new objects are enciphered; None where by none.
        rules: how many enabled rules of its lifecycle there are.
        expires_versions: whether one of them ends noncurrent versions; without, what is deleted stays for ever.
        listed_by_all: whether its keys were listed to somebody without credentials.
    """

    versioned: bool | Unobservable
    encryption: str | Unobservable | None
    rules: int | Unobservable
    expires_versions: bool | Unobservable
    listed_by_all: bool | Unobservable


@dataclass(frozen=True, slots=True, kw_only=True)
class S3State:
    """One object store.

    Args:
        problem: why it doesn't answer as one, in words; None where it does.
        milliseconds: that its first answer took; infinity without one.
        server: as it names itself.
        buckets: declared name -> its state; None where there is no such bucket; or why it could not be seen.
    """

    address: str
    problem: str | None
    milliseconds: float
    server: str | None
    buckets: Mapping[str, BucketState | Unobservable | None]


@dataclass(frozen=True, slots=True)
class S3States:
    """Name -> each declared object store, or why it could not be asked."""

    by_name: Mapping[str, S3State | Unobservable]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "stores")
        stores = {n: s for n, s in target.profile.stores.items() if isinstance(s, S3Store)}
        try:
            _library()
        except Unobservable as missing:
            return cls(dict.fromkeys(stores, missing))
        seconds = target.profile.probing.http_timeout_seconds
        seen = side_by_side({n: partial(look, s, seconds) for n, s in stores.items() if s.url or s.region})
        return cls({name: seen.get(name) or addressless(name) for name in stores})


@dataclass(frozen=True, slots=True)
class Buckets:
    """`store/bucket` -> the state of each declared bucket; None where there is none of the name; or why it can't be told."""

    by_place: Mapping[str, BucketState | Unobservable | None]

    @classmethod
    def take(cls, states: S3States, stores: Stores) -> Self:
        found: dict[str, BucketState | Unobservable | None] = {}
        for name, store in stores.of(S3Store).items():
            state = states.by_name[name]
            if "buckets" not in store.model_fields_set:
                found[name] = Unobservable(
                    Reason.NOT_CONFIGURED,
                    "the profile doesn't say which buckets it has",
                    f"declare `stores.{name}.buckets` in the profile (empty where there are none)",
                )
            for bucket in store.buckets:
                found[f"{name}/{bucket}"] = state if isinstance(state, Unobservable) else state.buckets[bucket]
        return cls(found)


def _library() -> Any:
    try:
        return import_module("boto3")
    except ImportError:
        raise Unobservable(
            Reason.UNSUPPORTED, "asking S3 needs its client, which is not installed", "pip install 'readiness[stores]'"
        ) from None


@cache
def _session() -> Any:
    """boto3's; what it reads of S3's own description is read once."""
    return _library().session.Session()


_MAKING = threading.Lock()  # clients are safe to share between threads, and not to make in several at once


class Client:
    """Questions to one object store, each of them bounded in time."""

    def __init__(self, store: S3Store, seconds: float) -> None:
        _library()
        config = import_module("botocore.config")
        self._exceptions = import_module("botocore.exceptions")
        secret = store.secret_key.get_secret_value() if store.secret_key else ""
        keys = {"aws_access_key_id": store.access_key, "aws_secret_access_key": secret} if store.access_key else {}
        anonymous = {} if keys or not store.url else {"signature_version": import_module("botocore").UNSIGNED}
        self.seconds = seconds
        self.address = (bare_url(store.url) or f"https://s3.{store.region}.amazonaws.com").rstrip("/")
        with _MAKING:
            self._client = _session().client(
                "s3",
                endpoint_url=store.url,
                region_name=store.region or "us-east-1",
                verify=os.environ.get("SSL_CERT_FILE"),
                config=config.Config(
                    connect_timeout=seconds,
                    read_timeout=seconds,
                    retries={"total_max_attempts": 1},
                    proxies={},
                    s3={"addressing_style": "path" if store.url else "auto"},
                    **anonymous,
                ),
                **keys,
            )

    def ask(self, call: str, **what: Any) -> Any:
        """One call of the client's.

        Raises:
            Refused: the store refused it, or has no such thing.
            Unobservable: there was no answer.
        """
        try:
            return within(self.seconds, partial(getattr(self._client, call), **what))
        except self._exceptions.ClientError as error:
            raise Refused(str(error.response.get("Error", {}).get("Code", "")), call) from None
        except (self._exceptions.NoCredentialsError, self._exceptions.PartialCredentialsError):
            raise Unobservable(
                Reason.NO_PERMISSION, f"{call}: no credentials", "give the store an `access_key` and a `secret_key`"
            ) from None
        except TimeoutError:
            raise Unobservable(Reason.TIMEOUT, f"{call}: no whole answer in time") from None
        except (self._exceptions.BotoCoreError, OSError) as error:
            raise Unobservable(Reason.UNREACHABLE, f"{call}: {_words(error)}") from None

    def keys(self, bucket: str, under: str, after: str | None = None) -> Iterator[str]:
        """The keys below a prefix, in S3's order: that of their UTF-8 bytes.

        Raises:
            Unobservable: a page could not be had.
        """
        token: str | None = None
        while True:
            page = self.page(bucket, under, after=after, token=token)
            yield from (entry["Key"] for entry in page.get("Contents", ()))
            token = page.get("NextContinuationToken")
            if not page.get("IsTruncated") or token is None:
                return

    def page(self, bucket: str, under: str, *, after: str | None = None, token: str | None = None) -> Any:
        """One page of the list.

        Raises:
            Unobservable: it could not be had.
        """
        where = {"Bucket": bucket, "Prefix": under, "MaxKeys": PAGE}
        where |= {"ContinuationToken": token} if token else {"StartAfter": after} if after else {}
        try:
            return self.ask("list_objects_v2", **where)
        except Refused as refused:
            raise refused.unobservable from None

    def exists(self, bucket: str, key: str) -> bool:
        """Whether there is an object.

        Raises:
            Unobservable: it could not be told.
        """
        try:
            self.ask("head_object", Bucket=bucket, Key=key)
        except Refused as refused:
            if refused.code in ("404", "NoSuchKey"):
                return False
            raise refused.unobservable from None
        return True


class Refused(Exception):  # noqa: N818  it is an answer
    """The store answered with an error code."""

    def __init__(self, code: str, call: str) -> None:
        super().__init__(code)
        self.code = code
        self.call = call

    @property
    def unobservable(self) -> Unobservable:
        if self.code in ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
            return Unobservable(
                Reason.NO_PERMISSION, f"{self.call}: {self.code}", f"allow the auditor's key {_ACTIONS.get(self.call)}"
            )
        if self.code in ("501", "NotImplemented", "MethodNotAllowed", "XNotImplemented"):
            return Unobservable(Reason.UNSUPPORTED, f"{self.call}: the store doesn't know this")
        return Unobservable(Reason.ERROR, f"{self.call}: {self.code or 'refused'}")


_ACTIONS = {
    "head_bucket": "s3:ListBucket",
    "list_objects_v2": "s3:ListBucket",
    "head_object": "s3:GetObject",
    "get_bucket_versioning": "s3:GetBucketVersioning",
    "get_bucket_encryption": "s3:GetEncryptionConfiguration",
    "get_bucket_lifecycle_configuration": "s3:GetLifecycleConfiguration",
}


def within(seconds: float, work: Callable[[], T]) -> T:
    """Do something that knows no deadline of its own for the whole.

    Raises:
        TimeoutError: it took too long; the thread ends with the process.
        Exception: what it raised.
    """
    done: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(work())
        except Exception as error:  # noqa: BLE001  raised again by who waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError
    return done[0]


def look(store: S3Store, seconds: float) -> S3State:
    client = Client(store, seconds)
    parts = urlsplit(client.address)
    refusal: str | None = None
    try:
        resolve(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), seconds)
    except OSError as error:
        refusal = failure_class(error)
    # Nobody's call: an object store answers it with a list or with a refusal of its own, in XML.
    started = perf_counter()
    hello = get(client.address + "/", seconds)
    problem = refusal or hello.error
    if problem is None and not any(word in hello.body for word in (b"<Error>", b"ListAllMyBucketsResult")):
        aws = hello.status in (301, 307) and store.url is None  # Amazon sends strangers to its home page
        problem = None if aws else "what answers there is not S3"
    if problem is not None:
        silent = Unobservable(Reason.UNREACHABLE, problem)
        return S3State(
            address=client.address,
            problem=problem,
            milliseconds=inf,
            server=None,
            buckets=dict.fromkeys(store.buckets, silent),
        )
    milliseconds = (perf_counter() - started) * 1000
    return S3State(
        address=client.address,
        problem=None,
        milliseconds=milliseconds,
        server="MinIO" if b"minio" in hello.body.lower() else None,
        buckets={name: _bucket(client, name) for name in store.buckets},
    )


def _bucket(client: Client, name: str) -> BucketState | Unobservable | None:
    try:
        client.ask("head_bucket", Bucket=name)
    except Refused as refused:
        return None if refused.code in ("404", "NoSuchBucket") else refused.unobservable
    except Unobservable as unseen:
        return unseen
    rules = _or_unseen(partial(_rules, client, name))
    return BucketState(
        versioned=_or_unseen(
            lambda: client.ask("get_bucket_versioning", Bucket=name).get("Status") == "Enabled",
        ),
        encryption=_or_unseen(partial(_encryption, client, name)),
        rules=rules if isinstance(rules, Unobservable) else len(rules),
        expires_versions=rules
        if isinstance(rules, Unobservable)
        else any("NoncurrentVersionExpiration" in rule for rule in rules),
        listed_by_all=_or_unseen(partial(_listed_by_all, client, name)),
    )


def _or_unseen(look_at: Callable[[], T]) -> T | Unobservable:
    try:
        return look_at()
    except Refused as refused:
        return refused.unobservable
    except Unobservable as unseen:
        return unseen


def _encryption(client: Client, name: str) -> str | None:
    try:
        found = client.ask("get_bucket_encryption", Bucket=name)
    except Refused as refused:
        if refused.code == "ServerSideEncryptionConfigurationNotFoundError":
            return None
        raise
    rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    by_default = [r["ApplyServerSideEncryptionByDefault"] for r in rules if "ApplyServerSideEncryptionByDefault" in r]
    return str(by_default[0]["SSEAlgorithm"]) if by_default else None


def _rules(client: Client, name: str) -> list[Mapping[str, Any]]:
    try:
        found = client.ask("get_bucket_lifecycle_configuration", Bucket=name)
    except Refused as refused:
        if refused.code == "NoSuchLifecycleConfiguration":
            return []
        raise
    return [rule for rule in found.get("Rules", ()) if rule.get("Status") == "Enabled"]


def _listed_by_all(client: Client, name: str) -> bool:
    reply = get(f"{client.address}/{quote(name, safe='')}?list-type=2&max-keys=1", client.seconds)
    if reply.error is not None:
        raise Unobservable(Reason.UNREACHABLE, f"asked without credentials: {reply.error}")
    if reply.status == 200:
        return True
    if reply.status in (401, 403):
        return False
    raise Unobservable(Reason.ERROR, f"asked without credentials: HTTP {reply.status}")


def _words(error: Exception) -> str:
    """What went wrong, without the address or anything that the other side said."""
    for cause in (error, getattr(error, "kwargs", {}).get("error"), error.__cause__, error.__context__):
        if isinstance(cause, OSError):
            return failure_class(cause)
    return "the store can't be reached"
