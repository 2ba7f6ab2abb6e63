"""A transaction mix at work: many sessions, one thread, each transaction's wait in a log of pgbench's form.

`readiness.drills.load` starts it as a process, several side by side, since one Python is soon the narrow place itself; how much
of a core each used is told, so that a figure that the driver bounds isn't taken for the server's. Without a rate a session
begins its next transaction when the last one has ended (capacity). With one, transactions are due on a schedule that was drawn
before (exponential gaps), whether those before them have ended or not, and the wait for a free session is a part of the
wait.
"""

from __future__ import annotations

import json
import random
import re
import selectors
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import pq
from psycopg.pq.abc import PGconn

SEED = 20_261_125
_PARAMETER = re.compile(r"\$(\d+)")
_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of transaction.

    Args:
        weight: how often it comes, beside the others' weights.
        statements: one SQL statement each, with $1, $2... for the values; several are in one transaction.
        values: sets of values, of which one is drawn for each transaction.
    """

    name: str
    weight: float
    statements: tuple[str, ...]
    values: tuple[tuple[str | None, ...], ...] = ()


def as_text(values: Iterable[Any]) -> tuple[str | None, ...]:
    """Values in the form in which they go to the server, which knows their types."""
    return tuple(
        None
        if v is None
        else str(v).lower()
        if isinstance(v, bool)
        else json.dumps(v)
        if isinstance(v, dict)
        else str(v)
        for v in values
    )


def _steps(kind: Kind) -> list[tuple[bytes, list[int]]]:
    """The statements, each with its own parameters numbered from 1, and which values those are."""
    found: list[tuple[bytes, list[int]]] = []
    for statement in kind.statements:
        used = sorted({int(n) for n in _PARAMETER.findall(statement)})
        own = {n: at for at, n in enumerate(used, 1)}
        text = _PARAMETER.sub(lambda m, own=own: f"${own[int(m[1])]}", statement)  # type: ignore[misc]
        found.append((text.encode(), [n - 1 for n in used]))
    return found if len(found) == 1 else [(b"begin", []), *found, (b"commit", [])]


@dataclass(slots=True)
class _Session:
    connection: PGconn
    socket: int
    steps: list[tuple[bytes, list[int]]] = field(default_factory=list)
    values: tuple[str | None, ...] = ()
    at: int = 0  # the step that is under way
    due: float = 0.0
    number: int = 0
    failed: str | None = None


class _Driver:
    def __init__(self, job: dict[str, Any]) -> None:
        self.kinds = [Kind(**{**k, "values": tuple(tuple(v) for v in k["values"])}) for k in job["kinds"]]
        self.steps = [_steps(k) for k in self.kinds]
        self.weights = [k.weight for k in self.kinds]
        self.chance = random.Random(f"{SEED} {job['number']}")  # noqa: S311  the same mix in each run
        self.seconds: float = job["seconds"]
        self.rate: float | None = job["rate"]
        self.errors: Counter[str] = Counter()
        self.said = ""
        self.log: list[str] = []
        self.selector = selectors.DefaultSelector()
        self.idle: deque[_Session] = deque()
        self.good = self.lost = 0
        for _ in range(job["connections"]):
            connection = pq.PGconn.connect(job["dsn"].encode())
            if connection.status != pq.ConnStatus.OK:
                raise ConnectionError(connection.get_error_message())
            connection.nonblocking = 1
            session = _Session(connection, connection.socket)
            self.selector.register(session.socket, selectors.EVENT_READ, session)
            self.idle.append(session)

    def work(self) -> None:
        begun, busy = time.time(), time.process_time()
        ends = begun + self.seconds
        due = begun + (self.chance.expovariate(self.rate) if self.rate else 0.0)
        while self.selector.get_map():
            now = time.time()
            if now >= ends:
                break
            while self.idle and now < ends and (self.rate is None or due <= now):
                self._begin(self.idle.popleft(), due if self.rate else now)
                if self.rate:
                    due += self.chance.expovariate(self.rate)
            wait = ends - now if self.rate is None or not self.idle else min(ends, due) - now
            for key, _ in self.selector.select(max(0.0, wait)):
                self._advance(key.data)
        self.result = {
            "begun": begun,
            "ended": time.time(),
            "busy": (time.process_time() - busy) / max(0.001, time.time() - begun),
            "good": self.good,
            "errors": dict(self.errors),
            "said": self.said,
            "lost": self.lost,
        }

    def _begin(self, session: _Session, due: float) -> None:
        (at,) = self.chance.choices(range(len(self.kinds)), self.weights)
        values = self.kinds[at].values
        session.steps, session.values = self.steps[at], self.chance.choice(values) if values else ()
        session.due, session.at, session.failed, session.number = due, 0, None, session.number + 1
        self._send(session)

    def _send(self, session: _Session) -> None:
        text, used = session.steps[session.at]
        values = [None if (v := session.values[n]) is None else v.encode() for n in used]
        session.connection.send_query_params(text, values)
        session.connection.flush()  # what is asked is short: it goes into an empty socket buffer whole

    def _advance(self, session: _Session) -> None:
        connection = session.connection
        try:
            connection.consume_input()
            while not connection.is_busy():
                result = connection.get_result()
                if result is None:
                    self._next(session)
                    return
                if result.status in _FAILED:
                    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"?????").decode()
                    if session.failed is None:  # the first error is the reason, those behind it its consequence
                        session.failed = state
                        self.errors[state] += 1
                        self.said = self.said or result.get_error_message()
                result.clear()
        except Exception as error:  # noqa: BLE001  psycopg.pq raises several; each means that the session is gone
            self.errors["lost"] += 1
            self.said = self.said or " ".join(str(error).split())
            self.lost += 1
            self.selector.unregister(session.socket)
            connection.finish()

    def _next(self, session: _Session) -> None:
        if session.failed is not None:
            if session.connection.transaction_status == pq.TransactionStatus.IDLE:
                self._ended(session)
            else:
                session.steps, session.at = [(b"rollback", [])], 0
                self._send(session)
            return
        session.at += 1
        if session.at < len(session.steps):
            self._send(session)
        else:
            self._ended(session)

    def _ended(self, session: _Session) -> None:
        now = time.time()
        wait = "failed" if session.failed else str(round((now - session.due) * 1e6))
        self.log.append(f"0 {session.number} {wait} 0 {int(now)} {round(now % 1 * 1e6)}\n")
        self.good += session.failed is None
        self.idle.append(session)


def main(path: Path) -> None:
    job = json.loads(path.read_text(encoding="utf-8"))
    try:
        driver = _Driver(job)
    except (ConnectionError, OSError) as error:
        sys.exit(" ".join(str(error).split()))
    Path(job["ready"]).touch()
    while not Path(job["go"]).exists():
        time.sleep(0.005)
    driver.work()
    Path(job["log"]).write_text("".join(driver.log), encoding="ascii")
    json.dump(driver.result, sys.stdout)


def jobs(
    kinds: Sequence[Kind], *, dsn: str, connections: int, processes: int, seconds: float, rate: float | None
) -> list[dict[str, Any]]:
    """What each of the processes is told, but for where its files lie; connections and rate are shared out evenly."""
    shares = [connections // processes + (at < connections % processes) for at in range(processes)]
    told = [{"name": k.name, "weight": k.weight, "statements": k.statements, "values": k.values} for k in kinds]
    return [
        {
            "number": at,
            "dsn": dsn,
            "connections": share,
            "seconds": seconds,
            "rate": rate and rate * share / connections,
            "kinds": told,
        }
        for at, share in enumerate(shares)
        if share
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
