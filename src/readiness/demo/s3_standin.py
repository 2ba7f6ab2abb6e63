"""A stand-in for MinIO, which is on no registry: moto's S3, with a door before it that lets in who has the access key.

`python -m readiness.demo.s3_standin --fd 3 --parent PID`, with the key in MINIO_ROOT_USER as MinIO itself has it. It keeps
objects in memory and verifies no signature. What it holds to begin with comes from a file (`--fill`: a JSON list
of buckets: bucket, versioned, encrypted, public, lifecycle, keys).
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import Client

from readiness.demo.process import become_ordinary, end_when_told, end_with

_DENIED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Access Denied.</Message><Server>stand-in for MinIO: moto</Server></Error>"""


class Door:
    """What asks for the access key, unless the bucket is public."""

    def __init__(self, inside: Callable[[dict[str, Any], Any], Iterable[bytes]], key: str) -> None:
        self._inside = inside
        self._key = key
        self.public: set[str] = set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        bucket = str(environ.get("PATH_INFO", "")).lstrip("/").partition("/")[0]
        known = f"Credential={self._key}/" in environ.get("HTTP_AUTHORIZATION", "")
        readable = environ.get("REQUEST_METHOD") in ("GET", "HEAD") and bucket in self.public
        if not known and not readable:
            headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(_DENIED)))]
            start_response("403 Forbidden", headers)
            return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else _DENIED]
        return self._inside(environ, start_response)


def fill(door: Door, given: Mapping[str, Any]) -> None:
    """One bucket with its settings, and an object for each key: a line that holds the key."""
    objects = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    bucket = given["bucket"]
    objects.create_bucket(bucket, "us-east-1")
    for key in given.get("keys", ()):
        objects.put_object(bucket, key, f"{key}\n".encode())
    if given.get("versioned"):
        objects.put_bucket_versioning(bucket, "Enabled")
    if not given.get("encrypted"):
        objects.delete_bucket_encryption(bucket)  # moto enciphers by default, as Amazon does and MinIO doesn't
    else:
        by_default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        objects.put_bucket_encryption(bucket, {"Rule": by_default})
    if rules := given.get("lifecycle"):
        objects.put_bucket_lifecycle(bucket, rules)
    if given.get("public"):
        door.public.add(bucket)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  named by werkzeug
        """No access log."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m readiness.demo.s3_standin")
    parser.add_argument("--fd", required=True, type=int, help="the listening socket that is inherited")
    parser.add_argument("--parent", required=True, type=int, help="the process with which it ends")
    parser.add_argument("--fill", type=Path, help="what it holds to begin with: JSON")
    given = parser.parse_args(arguments)
    end_when_told()
    end_with(given.parent)
    key = os.environ["MINIO_ROOT_USER"]
    inside = DomainDispatcherApplication(create_backend_app)
    door = Door(inside, key)
    if given.fill is not None:
        for bucket in json.loads(given.fill.read_text(encoding="utf-8")):
            fill(door, bucket)
    scope = f"Credential={key}/20260101/us-east-1/s3/aws4_request"
    Client(inside).get(
        "/", headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}"}
    )  # what it loads with its first request is loaded before the folders may be closed to it
    become_ordinary()
    host, port = socket.socket(fileno=os.dup(given.fd)).getsockname()
    make_server(host, port, door, threaded=True, request_handler=_Quiet, fd=given.fd).serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
