"""One service of the sample platform, as a process: `python -m readiness.demo.service --service auth --state after ...`.

HTTP on a socket that it is given, work on the database through a bounded pool of its own. Started as root it becomes
`nobody` as soon as its modules are loaded and before it answers anybody: this way it need not be able to read the
folders that Python and the package lie in (a virtual environment in root's closed home), and none has to be opened.
"""

from __future__ import annotations

import argparse
import encodings.idna  # noqa: F401  loaded later otherwise, when the folders may be closed to us
import json
import os
import socket
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg

from readiness.demo.people import PEOPLE
from readiness.demo.pool import Pool, PoolExhaustedError
from readiness.demo.process import Server, become_ordinary, end_when_told, end_with
from readiness.demo.routes import ROUTES, Context, Refusal, Route


class _Handler(BaseHTTPRequestHandler):
    timeout = 10
    routes: Mapping[str, Route]
    context: Context
    name: str

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        asked = f"{self.command} {parts.path}"
        status, body = reply(self.routes, self.context, asked, dict(parse_qsl(parts.query)))
        if parts.path == "/health":
            body = {"service": self.name, **body}
        raw = json.dumps(body, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named by http.server
        """No access log."""


def reply(
    routes: Mapping[str, Route], context: Context, asked: str, parameters: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """What one request is answered: status and JSON body.

    Args:
        asked: method and path, `GET /health`; a route that ends with a slash takes every path below it.
    """
    route = routes.get(asked) or next(
        (r for path, r in routes.items() if path[-1] == "/" and asked.startswith(path)), None
    )
    if route is None:
        return 404, {"error": "there is nothing here"}
    try:
        return route(context, {**parameters, **dict(zip(("method", "path"), asked.split(" ", 1), strict=True))})
    except Refusal as refusal:
        return refusal.status, {"error": str(refusal)}
    except (psycopg.Error, PoolExhaustedError) as error:
        return 503, {"status": "unhealthy", "error": type(error).__name__}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m readiness.demo.service")
    parser.add_argument("--service", required=True, choices=sorted({service for service, _ in ROUTES}))
    parser.add_argument("--state", required=True, choices=["before", "after"])
    parser.add_argument("--fd", required=True, type=int, help="the listening socket that is inherited")
    parser.add_argument("--parent", required=True, type=int, help="the process with which it ends")
    parser.add_argument("--folder", required=True, type=Path, help="where it may write files")
    given = parser.parse_args(arguments)
    listening = socket.socket(fileno=given.fd)
    become_ordinary()
    end_when_told()
    dsn = os.environ.pop("DATABASE_URL", "")
    pool = Pool(dsn, application_name=f"devmentor-{given.service}") if dsn else None
    end_with(given.parent, pool.prune if pool else lambda: None)
    context = Context(pool=pool, folder=given.folder, addresses=json.loads(os.environ.get("ADDRESSES", "{}")))
    prepare, daily = ROUTES[given.service, given.state]
    routes = {**daily, **PEOPLE.get((given.service, given.state), {})}
    try:
        prepare(context)
        handler = type("_Routed", (_Handler,), {"routes": routes, "context": context, "name": given.service})
        Server(listening, handler).serve_forever(poll_interval=0.1)
    finally:
        if pool is not None:
            pool.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
