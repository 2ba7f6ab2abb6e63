"""A moment of the sample platform's daily life, through its API gateway as the web page would ask."""

from __future__ import annotations

import hashlib
import http.client
import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode, urlsplit

from readiness.demo import State

ROUNDS = 40
AT_ONCE = 4
TIMEOUT_SECONDS = 10.0

Send = Callable[..., dict[str, Any]]


def run(gateway: str, state: State, *, rounds: int = ROUNDS) -> tuple[int, int]:
    """Let people work: sign in, look at their projects, add a task, search, ask the mentor.

    Args:
        gateway: the API gateway's URL.

    Returns:
        How many requests were answered well, and how many were not.
    """
    told: list[bool] = []

    def send(method: str, path: str, **parameters: Any) -> dict[str, Any]:
        status, body = ask(gateway, f"{method} /api/{path}", parameters)
        told.append(status < 400)
        return body

    visit = _visit_before if state == "before" else _visit_after
    with ThreadPoolExecutor(max_workers=AT_ONCE) as people:
        list(people.map(lambda n: visit(send, n), range(1, rounds + 1)))
    return sum(told), len(told) - sum(told)


def ask(url: str, asked: str, parameters: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    """One request, `GET /health`; its status and JSON body, 0 and nothing where no answer came."""
    method, path = asked.split(" ", 1)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path + (f"?{urlencode(parameters)}" if parameters else ""))
        answer = connection.getresponse()
        body = json.loads(answer.read())
        return answer.status, body if isinstance(body, dict) else {}
    except (OSError, http.client.HTTPException, ValueError):
        return 0, {}
    finally:
        connection.close()


def key(kind: str, number: int) -> uuid.UUID:
    """The UUID that the sample rows have for a number."""
    return uuid.UUID(hashlib.md5(f"{kind} {number}".encode(), usedforsecurity=False).hexdigest())


def _visit_before(send: Send, n: int) -> None:
    token = send("POST", "auth/login", email=f"user{n}@devmentor.example").get("token", "")
    send("GET", "auth/session", token=token)
    send("GET", "project/projects", user=n)
    send("GET", "project/tasks", project=n)
    send("POST", "project/tasks", project=n, title="Look at the deployment")
    send("POST", "memory/documents", title=f"Note {n}", content="What we learned of the queue")
    send("GET", "memory/search", q="queue")
    send("GET", "ai-gateway/complete", prompt=f"How do I test a queue, part {n % 10}?")
    send("GET", "scraper/pages")


def _visit_after(send: Send, n: int) -> None:
    user = send("POST", "auth/login", email=f"user{n}@devmentor.example")
    send("GET", "auth/session", token=user.get("token", ""))
    whose = user.get("user", key("user", n))
    projects = send("GET", "project/projects", user=whose).get("projects", [])
    for project in projects[:1]:
        send("GET", "project/tasks", user=whose, project=project["id"])
        send("POST", "project/tasks", user=whose, project=project["id"], title="Look at the deployment")
    send("POST", "memory/documents", user=whose, title=f"Note {n}", content="What we learned of the queue\n\nAnd why")
    send("GET", "memory/search", user=whose, q="queue")
    send("GET", "learning/roadmaps", user=whose)
    send("GET", "ai-gateway/complete", prompt=f"How do I test a queue, part {n % 10}?")
    send("GET", "scraper/pages")
