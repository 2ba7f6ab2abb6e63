"""A stand-in for Qdrant, which is on no registry: qdrant-client's local mode behind the part of its REST API that is used here.

`python -m readiness.demo.qdrant_standin --fd 3 --parent PID`, with the key in QDRANT__SERVICE__API_KEY as Qdrant itself has
it. It calls itself what it is: its version is "local mode of qdrant-client ...". It keeps points in memory, indexes nothing,
and takes the ids of points to begin with from a file (`--fill`: a JSON list of collections: collection, size of the vectors, ids,
payload_indexes).
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from qdrant_client import QdrantClient, models

from readiness.demo.process import Server, become_ordinary, end_when_told, end_with

_OPEN = frozenset({"/", "/healthz", "/livez", "/readyz"})  # what Qdrant answers without a key


class Points:
    """The collections, and the payload indexes that local mode takes no note of. One request at a time."""

    def __init__(self) -> None:
        self.client = QdrantClient(":memory:")
        self.indexes: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()

    def fill(self, given: Mapping[str, Any]) -> None:
        """One collection: `{"collection": ..., "size": ..., "ids": [...]}`; each vector is made of its id."""
        name, size, ids = given["collection"], int(given["size"]), given["ids"]
        self.client.create_collection(
            name, vectors_config=models.VectorParams(size=size, distance=models.Distance.COSINE)
        )
        for start in range(0, len(ids), 5_000):
            part = ids[start : start + 5_000]
            self.client.upsert(name, models.Batch(ids=part, vectors=[_vector(str(i), size) for i in part]))
        for field in given.get("payload_indexes", ()):
            self.index(name, {"field_name": field, "field_schema": "keyword"})

    def index(self, collection: str, body: Mapping[str, Any]) -> bool:
        schema = body.get("field_schema", "keyword")
        self.indexes.setdefault(collection, {})[body["field_name"]] = {"data_type": schema, "points": 0}
        return True

    def drop_index(self, collection: str, field: str) -> bool:
        self.indexes.get(collection, {}).pop(field, None)
        return True

    def describe(self, collection: str) -> dict[str, Any]:
        told: dict[str, Any] = self.client.get_collection(collection).model_dump(mode="json")
        return told | {"payload_schema": self.indexes.get(collection, {})}


def _vector(text: str, size: int) -> list[float]:
    raw = (text.encode() * (size // len(text) + 1))[:size]
    return [1.0 + byte for byte in raw]


Route = Callable[[Points, Mapping[str, Any], str, str], Any]


def _listing(points: Points, _body: Mapping[str, Any], _collection: str, _field: str) -> Any:
    return points.client.get_collections().model_dump(mode="json")


def _create(points: Points, body: Mapping[str, Any], collection: str, _field: str) -> Any:
    return points.client.create_collection(
        collection, vectors_config=models.VectorParams.model_validate(body["vectors"])
    )


def _upsert(points: Points, body: Mapping[str, Any], collection: str, _field: str) -> Any:
    given = [models.PointStruct.model_validate(p) for p in body["points"]]
    return points.client.upsert(collection, given).model_dump(mode="json")


def _delete(points: Points, body: Mapping[str, Any], collection: str, _field: str) -> Any:
    chosen = models.PointIdsList(points=body["points"])
    return points.client.delete(collection, chosen).model_dump(mode="json")


def _retrieve(points: Points, body: Mapping[str, Any], collection: str, _field: str) -> Any:
    found = points.client.retrieve(collection, body["ids"], with_payload=bool(body.get("with_payload", True)))
    return [record.model_dump(mode="json") for record in found]


def _scroll(points: Points, body: Mapping[str, Any], collection: str, _field: str) -> Any:
    found, following = points.client.scroll(
        collection,
        limit=body.get("limit", 10),
        offset=body.get("offset"),
        with_payload=bool(body.get("with_payload", True)),
    )
    return {"points": [r.model_dump(mode="json") for r in found], "next_page_offset": following}


def _count(points: Points, _body: Mapping[str, Any], collection: str, _field: str) -> Any:
    return points.client.count(collection, exact=True).model_dump(mode="json")


def _query(points: Points, body: Mapping[str, Any], collection: str, _field: str) -> Any:
    asked = body.get("query")
    sampled = isinstance(asked, dict) and "sample" in asked
    query: Any = models.SampleQuery.model_validate(asked) if sampled else asked
    return points.client.query_points(
        collection, query=query, limit=body.get("limit", 10), with_payload=bool(body.get("with_payload", False))
    ).model_dump(mode="json")


_ROUTES: tuple[tuple[str, Route], ...] = (
    (r"GET /collections", _listing),
    (r"GET /collections/([^/]+)", lambda points, _b, c, _f: points.describe(c)),
    (r"PUT /collections/([^/]+)", _create),
    (r"DELETE /collections/([^/]+)", lambda points, _b, c, _f: points.client.delete_collection(c)),
    (r"PUT /collections/([^/]+)/index", lambda points, body, c, _f: points.index(c, body)),
    (r"DELETE /collections/([^/]+)/index/([^/]+)", lambda points, _b, c, f: points.drop_index(c, f)),
    (r"PUT /collections/([^/]+)/points", _upsert),
    (r"POST /collections/([^/]+)/points", _retrieve),
    (r"POST /collections/([^/]+)/points/delete", _delete),
    (r"POST /collections/([^/]+)/points/scroll", _scroll),
    (r"POST /collections/([^/]+)/points/count", _count),
    (r"POST /collections/([^/]+)/points/query", _query),
)


class _Handler(BaseHTTPRequestHandler):
    timeout = 10
    points: Points
    key: str

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        if path not in _OPEN and self.key and not hmac.compare_digest(self.headers.get("api-key", ""), self.key):
            self._send(401, b"Must provide an API key", "text/plain")
        elif path == "/":
            told = {"title": "qdrant - vector search engine", "version": VERSION}
            self._send(200, json.dumps(told).encode(), "application/json")
        elif path in _OPEN:
            self._send(200, b"all shards are ready", "text/plain")
        else:
            self._work(f"{self.command} {path}", body)

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815  named by http.server

    def _work(self, asked: str, body: Mapping[str, Any]) -> None:
        matches = ((re.fullmatch(pattern, asked), route) for pattern, route in _ROUTES)
        found, route = next(((m, r) for m, r in matches if m), (None, None))
        if found is None or route is None:
            self._send(404, b"", "text/plain")
            return
        collection, field = (*map(unquote, found.groups()), "", "")[:2]
        try:
            with self.points.lock:
                result = route(self.points, body, collection, field)
            status, told = 200, {"result": result, "status": "ok", "time": 0.0}
        except ValueError as error:
            missing = "not found" in str(error)
            status, told = (404 if missing else 400), {"status": {"error": str(error)}, "time": 0.0}
        self._send(status, json.dumps(told).encode(), "application/json")

    def _send(self, status: int, raw: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named by http.server
        """No access log."""


VERSION = f"local mode of qdrant-client {version('qdrant-client')}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m readiness.demo.qdrant_standin")
    parser.add_argument("--fd", required=True, type=int, help="the listening socket that is inherited")
    parser.add_argument("--parent", required=True, type=int, help="the process with which it ends")
    parser.add_argument("--fill", type=Path, help="what it holds to begin with: JSON")
    given = parser.parse_args(arguments)
    end_when_told()
    end_with(given.parent)
    listening = socket.socket(fileno=given.fd)
    points = Points()
    if given.fill is not None:
        for collection in json.loads(given.fill.read_text(encoding="utf-8")):
            points.fill(collection)
    become_ordinary()
    handler = type("_Keyed", (_Handler,), {"points": points, "key": os.environ.get("QDRANT__SERVICE__API_KEY", "")})
    Server(listening, handler).serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
