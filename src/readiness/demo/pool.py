"""A service's pool: bounded, with connections that are used again and closed when they idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

Connection = psycopg.Connection[dict[str, Any]]


class PoolExhaustedError(Exception):
    """Every connection was in use for as long as we wait."""


class Pool:
    """Connections to one database.

    Args:
        most: that are open at once.
        least: that stay open when nobody needs them.
        idle_seconds: after which the others are closed.
        wait_seconds: for a free one.
    """

    def __init__(
        self,
        dsn: str,
        *,
        application_name: str,
        most: int = 20,
        least: int = 2,
        idle_seconds: float = 30.0,
        wait_seconds: float = 5.0,
    ) -> None:
        self._dsn = dsn
        self._application_name = application_name
        self.most = most
        self._least = least
        self._idle_seconds = idle_seconds
        self._wait_seconds = wait_seconds
        self._free = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Connection]] = []  # the one that was used last at the end
        self._open = 0

    @property
    def open(self) -> int:
        """How many connections there are, in use or idle."""
        return self._open

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection for one transaction.

        Raises:
            PoolExhaustedError: none became free in time.
        """
        if not self._free.acquire(timeout=self._wait_seconds):
            raise PoolExhaustedError
        try:
            connection = self._take()
            try:
                with connection.transaction():
                    yield connection
            finally:
                self._put_back(connection)
        finally:
            self._free.release()

    def fill(self) -> None:
        """Open the least number, so that the first requests don't wait for it."""
        opened = [self._take() for _ in range(self._least)]
        for connection in opened:
            self._put_back(connection)

    def prune(self) -> None:
        """Close what has idled too long."""
        oldest = time.monotonic() - self._idle_seconds
        with self._lock:
            spare = max(0, self._open - self._least)
            closing = [c for since, c in self._idle[:spare] if since < oldest]
            del self._idle[: len(closing)]
            self._open -= len(closing)
        for connection in closing:
            connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _take(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()[1]
            self._open += 1
        try:
            return psycopg.connect(
                self._dsn,
                application_name=self._application_name,
                autocommit=True,
                connect_timeout=5,
                row_factory=dict_row,
            )
        except BaseException:
            with self._lock:
                self._open -= 1
            raise

    def _put_back(self, connection: Connection) -> None:
        with self._lock:
            if connection.closed:
                self._open -= 1
            else:
                self._idle.append((time.monotonic(), connection))
