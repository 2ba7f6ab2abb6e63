"""What the processes of the sample platform share: a socket that they are given, an account without rights, an end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any

from readiness import embedded


class Server(ThreadingHTTPServer):
    """An HTTP server on a socket that it is given."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listening: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(listening.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left early is nobody's concern."""
        del request, client_address
        if not isinstance(sys.exception(), ConnectionError):
            print(f"{type(sys.exception()).__name__}: {sys.exception()}", file=sys.stderr, flush=True)


def become_ordinary() -> None:
    """As root, become the account that the server runs as: a service has no use for root's rights."""
    account = embedded.server_account()
    if account:
        os.setgroups([])
        os.setgid(account["group"])
        os.setuid(account["user"])


def end_when_told() -> None:
    """A signal ends it by the way that closes what is open."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def end_with(parent: int, meanwhile: Callable[[], None] = lambda: None) -> None:
    """End with the parent, should nobody else see to it; twice a second do something meanwhile."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
            meanwhile()
        with suppress(ProcessLookupError):
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
