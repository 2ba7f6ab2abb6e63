"""Redis as its clients see it: is it up, whom does it let in, how does it keep what it holds. No key is read or written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from math import inf
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from readiness.authoring import Unobservable
from readiness.facts.http import failure_class, resolve, side_by_side
from readiness.facts.target import Target, addressless, declared
from readiness.model import Reason
from readiness.profile import RedisStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How it keeps what it holds, by INFO and CONFIG GET.

    Args:
        role: master or replica ("slave").
        append_only: whether each write goes to a log on disk.
        snapshots: the rule by which snapshots are taken (`3600 1 300 100`); empty where none are; None where the role may
            not read it.
        last_snapshot_failed, last_append_failed: what it says of the last of each.
        most_bytes: what it may take of the memory; 0 without a bound.
        used_bytes: what it takes.
        policy: what goes first when the bound is met: `allkeys-lru`, `noeviction`...
    """

    version: str
    role: str
    append_only: bool
    snapshots: str | None
    last_snapshot_failed: bool
    last_append_failed: bool
    most_bytes: int
    used_bytes: int
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisState:
    """One Redis.

    Args:
        problem: why it isn't ready, in words; None where it is.
        milliseconds: that its first answer took; infinity without one.
        asks_for_password: whether it answers nobody without one; None where that can't be told.
        keeping: or why it could not be seen.
    """

    address: str
    problem: str | None
    milliseconds: float
    asks_for_password: bool | None
    keeping: Keeping | Unobservable


@dataclass(frozen=True, slots=True)
class RedisStates:
    """Name -> each declared Redis, or why it could not be asked."""

    by_name: Mapping[str, RedisState | Unobservable]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "stores")
        stores = {n: s for n, s in target.profile.stores.items() if isinstance(s, RedisStore)}
        try:
            _library()
        except Unobservable as missing:
            return cls(dict.fromkeys(stores, missing))
        seconds = target.profile.probing.http_timeout_seconds
        seen = side_by_side({n: partial(look, s, seconds) for n, s in stores.items() if s.url})
        return cls({name: seen.get(name) or addressless(name) for name in stores})


def _library() -> Any:
    try:
        return import_module("redis")
    except ImportError:
        raise Unobservable(
            Reason.UNSUPPORTED,
            "asking Redis needs its client, which is not installed",
            "pip install 'readiness[stores]'",
        ) from None


def look(store: RedisStore, seconds: float) -> RedisState:
    assert store.url is not None
    redis, retry, backoff = _library(), import_module("redis.retry"), import_module("redis.backoff")
    parts = urlsplit(store.url)
    host, port, secure = parts.hostname or "", parts.port or 6379, parts.scheme == "rediss"
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    password = store.password.get_secret_value() if store.password else unquote(parts.password or "")
    username = store.username or unquote(parts.username or "")

    def client(**credentials: str) -> Any:
        return redis.Redis(
            host=host,
            port=port,
            ssl=secure,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=retry.Retry(backoff.NoBackoff(), 0),
            protocol=2,
            decode_responses=True,
            encoding_errors="backslashreplace",
            **credentials,
        )

    try:
        resolve(host, port, seconds)
    except OSError as error:
        return _silent(address, failure_class(error))
    started = time.perf_counter()
    try:
        with client() as stranger:
            asks: bool | None = _refused(redis, stranger)
        milliseconds = (time.perf_counter() - started) * 1000
    except redis.RedisError as error:
        return _silent(address, _words(redis, error))
    keeping: Keeping | Unobservable
    problem = None
    credentials = {"password": password} | ({"username": username} if username else {}) if password else {}
    try:
        with client(**credentials) as known:
            keeping, problem = _look_closer(redis, known)
    except redis.AuthenticationError:
        keeping = Unobservable(
            Reason.NO_PERMISSION,
            "it refuses the password" if password else "it asks for a password",
            "give the store a `password` (and `username`) whose user may run INFO and CONFIG GET",
        )
    except redis.RedisError as error:
        keeping = Unobservable(Reason.ERROR, f"INFO: {_words(redis, error)}")
    return RedisState(
        address=address, problem=problem, milliseconds=milliseconds, asks_for_password=asks, keeping=keeping
    )


def _silent(address: str, problem: str) -> RedisState:
    return RedisState(
        address=address,
        problem=problem,
        milliseconds=inf,
        asks_for_password=None,
        keeping=Unobservable(Reason.UNREACHABLE, problem),
    )


def _refused(redis: Any, stranger: Any) -> bool:
    """Whether it turns away who has no password. While it loads its data it answers INFO alone, if anything."""
    try:
        stranger.ping()
    except redis.AuthenticationError:
        return True
    except redis.BusyLoadingError:
        return False
    except redis.ResponseError as error:
        # Protected mode, and an ACL that lets the default user do nothing, are refusals too.
        if str(error).startswith(("DENIED", "NOPERM", "NOAUTH")):
            return True
        raise
    return False


def _look_closer(redis: Any, known: Any) -> tuple[Keeping | Unobservable, str | None]:
    try:
        info: Mapping[str, Any] = known.info()
    except redis.exceptions.NoPermissionError:
        return (
            Unobservable(Reason.NO_PERMISSION, "its user may not run INFO", "acl setuser ... +info +config|get"),
            None,
        )
    save: str | None
    try:
        save = str(known.config_get("save").get("save", ""))
    except (redis.exceptions.NoPermissionError, redis.ResponseError):
        save = None  # some providers have no CONFIG at all
    problem = "it is loading its data" if info.get("loading") else None
    if info.get("role") == "slave" and info.get("master_link_status") != "up":
        problem = "it is a replica that has lost its master"
    return (
        Keeping(
            version=str(info.get("valkey_version") or info.get("redis_version", "")),
            role=str(info.get("role", "")),
            append_only=bool(info.get("aof_enabled")),
            snapshots=save,
            last_snapshot_failed=info.get("rdb_last_bgsave_status") == "err",
            last_append_failed="err" in (info.get("aof_last_write_status"), info.get("aof_last_bgrewrite_status")),
            most_bytes=int(info.get("maxmemory", 0)),
            used_bytes=int(info.get("used_memory", 0)),
            policy=str(info.get("maxmemory_policy", "")),
        ),
        problem,
    )


def _words(redis: Any, error: Exception) -> str:
    """What went wrong, without anything that the other side said."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError):
        return failure_class(cause)
    if isinstance(error, redis.TimeoutError):
        return "no answer in time"
    if isinstance(error, redis.InvalidResponse | redis.ResponseError):
        return "what answers there is not Redis"
    return "the connection was closed" if isinstance(error, redis.ConnectionError) else "the request failed"
