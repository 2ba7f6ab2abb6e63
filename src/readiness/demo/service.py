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
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg

from readiness import embedded
from readiness.demo.pool import Pool, PoolExhaustedError
from readiness.demo.routes import ROUTES, Context, Refusal, Route


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listening: socket.socket, routes: Mapping[str, Route], context: Context) -> None:
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.routes = routes
        self.context = context

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left early is nobody's concern."""
        del request, client_address
        if not isinstance(sys.exception(), ConnectionError):
            print(f"{type(sys.exception()).__name__}: {sys.exception()}", file=sys.stderr, flush=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        status, body = reply(
            self.server.routes, self.server.context, f"{self.command} {parts.path}", dict(parse_qsl(parts.query))
        )
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
    _become_ordinary()
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    dsn = os.environ.pop("DATABASE_URL", "")
    pool = Pool(dsn, application_name=f"devmentor-{given.service}") if dsn else None
    threading.Thread(target=_watch, args=(given.parent, pool), daemon=True).start()
    context = Context(pool=pool, folder=given.folder, addresses=json.loads(os.environ.get("ADDRESSES", "{}")))
    prepare, routes = ROUTES[given.service, given.state]
    try:
        prepare(context)
        _Server(listening, routes, context).serve_forever(poll_interval=0.1)
    finally:
        if pool is not None:
            pool.close()
    return 0


def _become_ordinary() -> None:
    """As root, become the account that the server runs as: a service has no use for root's rights."""
    account = embedded.server_account()
    if account:
        os.setgroups([])
        os.setgid(account["group"])
        os.setuid(account["user"])


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _watch(parent: int, pool: Pool | None) -> None:
    """Close what idles too long; and end with the parent, should nobody else see to it."""
    while os.getppid() == parent:
        time.sleep(0.5)
        if pool is not None:
            pool.prune()
    with suppress(ProcessLookupError):
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
