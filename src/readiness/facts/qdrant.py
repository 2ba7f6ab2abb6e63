"""Qdrant as its clients see it, over REST. Nothing is written; of points their ids alone are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self
from urllib.parse import quote

from readiness.authoring import Unobservable
from readiness.facts.http import exchange, side_by_side
from readiness.facts.target import Target, addressless, bare_url, declared
from readiness.model import Reason
from readiness.profile import QdrantStore

PAGE = 5_000  # ids asked for at a time
_PAGE_BYTES = 4_000_000

PointId = int | str
"""A whole number, or a UUID as it is written: lower case, with hyphens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionState:
    """A collection.

    Args:
        status: green (all optimised), yellow (at work), grey (waits for a restart's go), red (failed).
        points: counted exactly.
        sizes: of its vectors, by name; the unnamed vector's name is empty.
        payload_indexes: fields of the payload that have one.
        replicas: how many copies of each shard there are to be.
    """

    status: str
    points: int
    sizes: Mapping[str, int]
    payload_indexes: frozenset[str]
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QdrantState:
    """One Qdrant.

    Args:
        problem: why it isn't ready, in words; None where it is.
        milliseconds: that its answer took; infinity without one.
        asks_for_key: whether it shows its collections to nobody without a key; None where that can't be told.
        collections: name -> its state; or why they could not be seen.
    """

    address: str
    problem: str | None
    milliseconds: float
    version: str | None = None
    asks_for_key: bool | None = None
    collections: Mapping[str, CollectionState] | Unobservable = field(
        default_factory=lambda: Unobservable(Reason.UNREACHABLE, "it does not answer")
    )


@dataclass(frozen=True, slots=True)
class QdrantStates:
    """Name -> each declared Qdrant, or why it could not be asked."""

    by_name: Mapping[str, QdrantState | Unobservable]

    @classmethod
    def take(cls, target: Target) -> Self:
        declared(target.profile, "stores")
        stores = {n: s for n, s in target.profile.stores.items() if isinstance(s, QdrantStore)}
        seconds = target.profile.probing.http_timeout_seconds
        seen = side_by_side({n: partial(look, s, seconds) for n, s in stores.items() if s.url})
        return cls({name: seen.get(name) or addressless(name) for name in stores})


class Client:
    """Questions to one Qdrant."""

    def __init__(self, store: QdrantStore, seconds: float) -> None:
        assert store.url is not None
        self.address = (bare_url(store.url) or "").rstrip("/")
        self._seconds = seconds
        key = store.api_key.get_secret_value() if store.api_key else ""
        self._headers = {"api-key": key} if key else {}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The `result` of an answer.

        Raises:
            Unobservable: there was none.
        """
        reply = exchange(
            method,
            self.address + path,
            self._seconds,
            headers=self._headers,
            body=body,
            most_bytes=_PAGE_BYTES,
        )
        if reply.error is not None:
            raise Unobservable(Reason.UNREACHABLE, f"{path}: {reply.error}")
        if reply.status in (401, 403):
            raise Unobservable(
                Reason.NO_PERMISSION,
                f"{path}: HTTP {reply.status}",
                "give the store an `api_key` (read-only is enough)",
            )
        if reply.status != 200:
            raise Unobservable(Reason.ERROR, f"{path}: HTTP {reply.status}")
        try:
            return json.loads(reply.body)["result"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Unobservable(Reason.ERROR, f"{path}: the answer is not Qdrant's") from None

    def points(self, collection: str) -> Iterator[PointId]:
        """The ids of all points, as Qdrant keeps them: whole numbers first, then UUIDs, each in their order.

        Raises:
            Unobservable: a page could not be had.
        """
        offset: int | str | None = None
        while True:
            page = self.ask("POST", f"{_path(collection)}/points/scroll", _scroll(offset))
            yield from map(point_id, (point["id"] for point in page["points"]))
            offset = page.get("next_page_offset")
            if offset is None:
                return

    def existing(self, collection: str, ids: Sequence[PointId]) -> set[PointId]:
        """Those of the ids that have a point.

        Raises:
            Unobservable: they could not be looked up.
        """
        body = {"ids": list(ids), "with_payload": False, "with_vector": False}
        return {point_id(point["id"]) for point in self.ask("POST", f"{_path(collection)}/points", body)}

    def drawn(self, collection: str, number: int) -> list[PointId]:
        """The ids of points drawn at random (Qdrant 1.11 and later).

        Raises:
            Unobservable: none could be drawn.
        """
        body = {"query": {"sample": "random"}, "limit": number, "with_payload": False, "with_vector": False}
        found = self.ask("POST", f"{_path(collection)}/points/query", body)
        return [point_id(point["id"]) for point in found["points"]]

    def count(self, collection: str) -> int:
        """How many points there are, exactly."""
        found = self.ask("POST", f"{_path(collection)}/points/count", {"exact": True})
        return int(found["count"])


def point_id(value: Any) -> PointId:
    """An id as it is compared.

    Raises:
        Unobservable: it is none.
    """
    if isinstance(value, int | str) and not isinstance(value, bool):
        return value
    raise Unobservable(Reason.ERROR, "an id of a point is neither a number nor a UUID")


def _scroll(offset: int | str | None) -> dict[str, Any]:
    return {"limit": PAGE, "with_payload": False, "with_vector": False} | ({} if offset is None else {"offset": offset})


def _path(collection: str) -> str:
    return f"/collections/{quote(collection, safe='')}"


def look(store: QdrantStore, seconds: float) -> QdrantState:
    client = Client(store, seconds)
    hello = exchange("GET", client.address + "/", seconds)
    if hello.error is not None:
        return QdrantState(address=client.address, problem=hello.error, milliseconds=hello.wait.milliseconds)
    try:
        said = json.loads(hello.body)
        version = str(said["version"]) if "qdrant" in str(said["title"]).lower() else None
    except (ValueError, KeyError, TypeError, RecursionError):
        version = None
    if version is None:
        return QdrantState(
            address=client.address, problem="what answers there is not Qdrant", milliseconds=hello.wait.milliseconds
        )
    ready = exchange("GET", client.address + "/readyz", seconds)
    stranger = exchange("GET", client.address + "/collections", seconds)
    return QdrantState(
        address=client.address,
        problem=None if ready.status == 200 else f"/readyz: {ready.error or f'HTTP {ready.status}'}",
        milliseconds=hello.wait.milliseconds,
        version=version,
        asks_for_key={200: False, 401: True, 403: True}.get(stranger.status or 0),
        collections=_collections(client),
    )


def _collections(client: Client) -> Mapping[str, CollectionState] | Unobservable:
    try:
        names = [str(c["name"]) for c in client.ask("GET", "/collections")["collections"]]
        return {name: _collection(client, name) for name in sorted(names)}
    except Unobservable as unseen:
        return unseen
    except (KeyError, TypeError, ValueError, AttributeError):
        return Unobservable(Reason.ERROR, "what it says of its collections is not as Qdrant says it")


def _collection(client: Client, name: str) -> CollectionState:
    found = client.ask("GET", _path(name))
    params = found["config"]["params"]
    vectors = params.get("vectors") or {}
    named = {"": vectors} if "size" in vectors else vectors
    return CollectionState(
        status=str(found["status"]),
        points=client.count(name),
        sizes={key: int(vector["size"]) for key, vector in named.items()},
        payload_indexes=frozenset(found.get("payload_schema") or ()),
        replicas=int(params.get("replication_factor") or 1),
    )
