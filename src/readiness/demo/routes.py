"""What each service of the sample platform does, before and after: real work, on the tables that are its own."""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from psycopg import sql

from readiness.demo.pool import Connection, Pool

Answer = tuple[int, dict[str, Any]]
Parameters = Mapping[str, str]


class Refusal(Exception):  # noqa: N818  it is an answer, not an error of ours
    """A request that is turned away."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(slots=True)
class Context:
    """What a service works with.

    Args:
        pool: None where it uses no database.
        folder: where it may write files.
        addresses: URLs of the other services and stores, by name.
        kept: what it keeps in its memory.
    """

    pool: Pool | None
    folder: Path
    addresses: Mapping[str, str]
    kept: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def transaction(self, tenant: uuid.UUID | None = None) -> Iterator[Connection]:
        """A transaction, on behalf of a tenant where one is given: row level security goes by it."""
        assert self.pool is not None, "this service has no database"
        with self.pool.transaction() as connection:
            if tenant is not None:
                connection.execute("select set_config('app.user_id', %s, true)", [str(tenant)])
            yield connection


Route = Callable[[Context, Parameters], Answer]
Prepare = Callable[[Context], None]


def _open_pool(context: Context) -> None:
    if context.pool is not None:
        context.pool.fill()


def _wanted(parameters: Parameters, name: str) -> str:
    try:
        return parameters[name]
    except KeyError:
        raise Refusal(400, f"{name} is missing") from None


def _key(parameters: Parameters, name: str) -> uuid.UUID:
    try:
        return uuid.UUID(_wanted(parameters, name))
    except ValueError:
        raise Refusal(400, f"{name} is no UUID") from None


def _number(parameters: Parameters, name: str) -> int:
    try:
        return int(_wanted(parameters, name))
    except ValueError:
        raise Refusal(400, f"{name} is no number") from None


def _select_one(context: Context, _: Parameters) -> Answer:
    """The health check of before: the database answers, whatever is in it."""
    with context.transaction() as connection:
        connection.execute("select 1")
    return 200, {"status": "ok"}


def _own_tables(*tables: str) -> Route:
    """The health check of after: the service's own tables can be read under its own role.

    By a key that no row has: without a tenant row level security shows none, and would look through them all.
    """
    nobody = uuid.UUID(int=0)
    look = sql.SQL("select {}").format(
        sql.SQL(", ").join(
            sql.SQL("(select count(*) from {} where id = {})").format(
                sql.Identifier(*t.split(".")), sql.Literal(nobody)
            )
            for t in tables
        )
    )

    def health(context: Context, _: Parameters) -> Answer:
        with context.transaction() as connection:
            connection.execute(look)
        assert context.pool is not None
        pool = {"open": context.pool.open, "most": context.pool.most}
        return 200, {"status": "ok", "dependencies": {"postgres": "ok"}, "pool": pool}

    return health


# -- auth ------------------------------------------------------------------------------------------------------

_RUN_TIME_DDL = """
create table if not exists public.users (
    id serial primary key, email varchar(255) unique not null, username varchar(50) unique not null
);
create schema if not exists auth;
create table if not exists auth.users (
    id uuid primary key default gen_random_uuid(), email varchar(255) unique not null, username varchar(50) not null
)
"""


def _make_tables(context: Context) -> None:
    """What index.ts and database.ts do at every start, each with its own table of users."""
    with context.transaction() as connection:
        connection.execute(_RUN_TIME_DDL)
    _open_pool(context)


def _login_before(context: Context, parameters: Parameters) -> Answer:
    """Two tables of users: a number from the one, a session by the UUID of the other, where that has the user."""
    email, token = _wanted(parameters, "email"), secrets.token_hex(32)
    with context.transaction() as connection:
        user = connection.execute(
            "select id, role from public.users where email = %s and is_active", [email]
        ).fetchone()
        other = connection.execute("select id from auth.users where email = %s", [email]).fetchone()
        if user is None or other is None:
            raise Refusal(401, "no such user")
        connection.execute(
            "insert into auth.user_sessions (user_id, token, expires_at) values (%s, %s, now() + interval '1 day')",
            [other["id"], token],
        )
    return 200, {"user": user["id"], "token": token}


def _session_before(context: Context, parameters: Parameters) -> Answer:
    with context.transaction() as connection:
        session = connection.execute(
            "select user_id, expires_at from auth.user_sessions where token = %s", [_wanted(parameters, "token")]
        ).fetchone()
    if session is None:
        raise Refusal(401, "no such session")
    return 200, session


def _login_after(context: Context, parameters: Parameters) -> Answer:
    email, token = _wanted(parameters, "email"), secrets.token_hex(32)
    with context.transaction() as connection:
        user = connection.execute("select id, role from auth.users where email = %s and is_active", [email]).fetchone()
        if user is not None:
            connection.execute(
                "insert into auth.user_sessions (user_id, token, expires_at) values (%s, %s, now() + interval '1 day')",
                [user["id"], token],
            )
        connection.execute(
            "insert into auth.audit_log (user_id, event) values (%s, %s::auth.audit_event)",
            [user and user["id"], "login" if user else "refused"],
        )
    if user is None:
        raise Refusal(401, "no such user")
    return 200, {"user": user["id"], "token": token}


def _session_after(context: Context, parameters: Parameters) -> Answer:
    with context.transaction() as connection:
        session = connection.execute(
            "select s.user_id, s.expires_at, u.role from auth.user_sessions as s "
            "inner join auth.users as u on s.user_id = u.id where s.token = %s and s.expires_at > now() and u.is_active",
            [_wanted(parameters, "token")],
        ).fetchone()
    if session is None:
        raise Refusal(401, "no such session")
    return 200, session


# -- project ---------------------------------------------------------------------------------------------------


def _projects_before(context: Context, parameters: Parameters) -> Answer:
    with context.transaction() as connection:
        projects = connection.execute(
            "select p.id, p.name, count(t.id) as tasks from public.projects as p "
            "left join public.tasks as t on t.project_id = p.id where p.user_id = %s group by p.id order by p.name",
            [_number(parameters, "user")],
        ).fetchall()
    return 200, {"projects": projects}


def _tasks_before(context: Context, parameters: Parameters) -> Answer:
    with context.transaction() as connection:
        tasks = connection.execute(
            "select id, title, status, tags from public.tasks where project_id = %s order by status, position",
            [_number(parameters, "project")],
        ).fetchall()
    return 200, {"tasks": tasks}


def _add_task_before(context: Context, parameters: Parameters) -> Answer:
    """Two writes, each by itself: when the second fails, the first stays."""
    project, title = _number(parameters, "project"), _wanted(parameters, "title")
    with context.transaction() as connection:
        task = connection.execute(
            "insert into public.tasks (project_id, title) values (%s, %s) returning id", [project, title]
        ).fetchone()
    with context.transaction() as connection:
        connection.execute(
            "insert into public.activity (project_id, action, details) values (%s, 'insert', %s)",
            [project, json.dumps({"task": title})],
        )
    return 201, {"task": task and task["id"]}


def _projects_after(context: Context, parameters: Parameters) -> Answer:
    user = _key(parameters, "user")
    with context.transaction(user) as connection:
        projects = connection.execute(
            "select p.id, p.name, count(t.id) filter (where t.status <> 'done') as open_tasks "
            "from projects.projects as p "
            "left join projects.tasks as t on t.project_id = p.id and t.deleted_at is null "
            "where p.user_id = %s and p.deleted_at is null group by p.id order by p.name",
            [user],
        ).fetchall()
    return 200, {"projects": projects}


def _tasks_after(context: Context, parameters: Parameters) -> Answer:
    with context.transaction(_key(parameters, "user")) as connection:
        tasks = connection.execute(
            "select id, title, status, tags from projects.tasks "
            "where project_id = %s and deleted_at is null order by status, position limit 100",
            [_key(parameters, "project")],
        ).fetchall()
    return 200, {"tasks": tasks}


def _add_task_after(context: Context, parameters: Parameters) -> Answer:
    """The task and its trail (a trigger's) in one transaction."""
    with context.transaction(_key(parameters, "user")) as connection:
        task = connection.execute(
            "insert into projects.tasks (project_id, title) select p.id, %s from projects.projects as p "
            "where p.id = %s returning id",
            [_wanted(parameters, "title"), _key(parameters, "project")],
        ).fetchone()
    if task is None:
        raise Refusal(404, "no such project")
    return 201, {"task": task["id"]}


# -- memory ----------------------------------------------------------------------------------------------------


def _reachable(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=0.5).close()
    except OSError:
        return False
    return True


def _memory_health_before(context: Context, _: Parameters) -> Answer:
    """Qdrant is all that it hangs on."""
    if _reachable(context.addresses["qdrant"]):
        return 200, {"status": "ok"}
    return 503, {"status": "unhealthy", "qdrant": "unreachable"}


def _add_document_before(context: Context, parameters: Parameters) -> Answer:
    """A point, whose id nobody keeps, and a JSON file for each document, as for a demo."""
    name = uuid.uuid4().hex
    _put_points(context, [uuid.uuid4()], {"document": name})
    document = {"title": _wanted(parameters, "title"), "content": parameters.get("content", ""), "at": time.time()}
    (context.folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    return 201, {"document": name}


def _search_before(context: Context, parameters: Parameters) -> Answer:
    words = _wanted(parameters, "q").lower()
    found = []
    for path in sorted(context.folder.glob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:  # somebody is just writing it; a file has no transaction
            continue
        if words in document["content"].lower():
            found.append(document["title"])
    return 200, {"documents": found}


def _memory_health_after(context: Context, parameters: Parameters) -> Answer:
    """What it holds is in Postgres; without Qdrant's vectors it searches by words."""
    status, body = _own_tables("memory.documents", "memory.chunks", "memory.search_history")(context, parameters)
    return status, {**body, "search": "vectors" if _reachable(context.addresses["qdrant"]) else "words"}


def _put_points(context: Context, points: list[uuid.UUID], payload: Mapping[str, str]) -> None:
    """A point for each chunk, where Qdrant is up. Its vector is made up: no model of embeddings comes along."""
    if not points or not _reachable(context.addresses["qdrant"]):
        return
    parts = urlsplit(context.addresses["qdrant"])
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    vectors = [{"id": str(p), "vector": [1.0 + b for b in p.bytes[:4]], "payload": payload} for p in points]
    headers = {"Content-Type": "application/json", "api-key": context.addresses.get("qdrant-key", "")}
    try:
        connection.request("PUT", "/collections/chunks/points?wait=true", json.dumps({"points": vectors}), headers)
        if connection.getresponse().status != HTTPStatus.OK:
            raise Refusal(503, "the points were not taken")
    except OSError as error:
        raise Refusal(503, "the points were not taken") from error
    finally:
        connection.close()


def _add_document_after(context: Context, parameters: Parameters) -> Answer:
    """Rows and points: the rows are committed when the points are there."""
    user, content = _key(parameters, "user"), parameters.get("content", "")
    points: list[uuid.UUID] = []
    with context.transaction(user) as connection:
        document = connection.execute(
            "insert into memory.documents (user_id, title, source) values (%s, %s, 'api://documents') returning id",
            [user, _wanted(parameters, "title")],
        ).fetchone()
        assert document is not None
        for position, part in enumerate(content.split("\n\n")):
            points.append(uuid.uuid4())
            connection.execute(
                "insert into memory.chunks (document_id, position, content, token_count, qdrant_point_id) "
                "values (%s, %s, %s, %s, %s)",
                [document["id"], position, part, len(part.split()), points[-1]],
            )
        _put_points(context, points, {"user_id": str(user)})
    return 201, {"document": document["id"]}


def _search_after(context: Context, parameters: Parameters) -> Answer:
    user, words = _key(parameters, "user"), _wanted(parameters, "q")
    with context.transaction(user) as connection:
        found = connection.execute(
            "select c.id, c.content, d.title from memory.documents as d "
            "inner join memory.chunks as c on c.document_id = d.id "
            "where d.user_id = %s and to_tsvector('english', c.content) @@ websearch_to_tsquery('english', %s) limit 10",
            [user, words],
        ).fetchall()
        connection.execute(
            "insert into memory.search_history (user_id, query, results) values (%s, %s, %s)", [user, words, len(found)]
        )
    return 200, {"chunks": found}


# -- the gateways ----------------------------------------------------------------------------------------------


def _healthy(_: Context, __: Parameters) -> Answer:
    return 200, {"status": "ok"}


def _mentor(prompt: str) -> str:
    """The answer where no provider is: the question's own longest words."""
    return "Look at " + ", ".join(sorted(prompt.split(), key=len, reverse=True)[:3])


def _complete_before(context: Context, parameters: Parameters) -> Answer:
    """The cache is a dictionary: gone with every restart, unknown to a second instance."""
    prompt = _wanted(parameters, "prompt")
    cached = prompt in context.kept
    return 200, {"text": context.kept.setdefault(prompt, _mentor(prompt)), "cached": cached}


def _complete_after(context: Context, parameters: Parameters) -> Answer:
    prompt = _wanted(parameters, "prompt")
    digest = hashlib.sha256(prompt.encode()).digest()
    with context.transaction() as connection:
        known = connection.execute(
            "select r.response from gateway.response_cache as r "
            "inner join gateway.configurations as c on r.configuration_id = c.id "
            "where c.name = 'chat' and c.is_active and r.prompt_sha256 = %s and r.expires_at > now()",
            [digest],
        ).fetchone()
        if known is not None:
            return 200, {**known["response"], "cached": True}
        text = _mentor(prompt)
        connection.execute(
            "insert into gateway.response_cache (configuration_id, prompt_sha256, response, expires_at) "
            "select id, %s, %s, now() + interval '1 day' from gateway.configurations where name = 'chat' "
            "on conflict (configuration_id, prompt_sha256) "
            "do update set response = excluded.response, expires_at = excluded.expires_at",
            [digest, json.dumps({"text": text})],
        )
    return 200, {"text": text, "cached": False}


def _pass_on(context: Context, parameters: Parameters) -> Answer:
    """`/api/<service>/<path>`: the service's answer as it is."""
    _, _, service, path = _wanted(parameters, "path").split("/", 3)
    if service not in context.addresses:
        raise Refusal(404, "no such service")
    parts = urlsplit(context.addresses[service])
    rest = {name: value for name, value in parameters.items() if name not in ("path", "method")}
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request(parameters["method"], f"/{path}?{urlencode(rest)}")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        raise Refusal(502, f"{service} does not answer") from None
    finally:
        connection.close()


# -- learning and scraper --------------------------------------------------------------------------------------


def _roadmaps(context: Context, parameters: Parameters) -> Answer:
    user = _key(parameters, "user")
    with context.transaction(user) as connection:
        roadmaps = connection.execute(
            "select r.id, r.title, count(p.id) filter (where p.status = 'finished') as finished, count(p.id) as steps "
            "from learning.roadmaps as r left join learning.progress as p on p.roadmap_id = r.id "
            "where r.user_id = %s group by r.id order by r.created_at",
            [user],
        ).fetchall()
    return 200, {"roadmaps": roadmaps}


def _pages_before(context: Context, _: Parameters) -> Answer:
    with context.transaction() as connection:
        pages = connection.execute(
            "select id, url, fetched_at from public.scraped_pages order by fetched_at desc limit 20"
        ).fetchall()
    return 200, {"pages": pages}


def _pages_after(context: Context, _: Parameters) -> Answer:
    with context.transaction() as connection:
        pages = connection.execute(
            "select p.url, p.fetched_at from scraper.sources as s "
            "inner join scraper.pages as p on p.source_id = s.id order by p.fetched_at desc limit 20"
        ).fetchall()
    return 200, {"pages": pages}


_GATEWAY: tuple[Prepare, Mapping[str, Route]] = (
    _open_pool,
    {"GET /health": _healthy, "GET /api/": _pass_on, "POST /api/": _pass_on},
)

# (service, state) -> what it does at its start, and its routes. The learning engine has no entry before: its port is
# the project service's, so it can't start.
ROUTES: Mapping[tuple[str, str], tuple[Prepare, Mapping[str, Route]]] = {
    ("auth", "before"): (
        _make_tables,
        {"GET /health": _select_one, "POST /login": _login_before, "GET /session": _session_before},
    ),
    ("auth", "after"): (
        _open_pool,
        {
            "GET /health": _own_tables("auth.users", "auth.user_sessions", "auth.audit_log"),
            "POST /login": _login_after,
            "GET /session": _session_after,
        },
    ),
    ("project", "before"): (
        _open_pool,
        {
            "GET /health": _select_one,
            "GET /projects": _projects_before,
            "GET /tasks": _tasks_before,
            "POST /tasks": _add_task_before,
        },
    ),
    ("project", "after"): (
        _open_pool,
        {
            "GET /health": _own_tables("projects.projects", "projects.tasks", "projects.templates"),
            "GET /projects": _projects_after,
            "GET /tasks": _tasks_after,
            "POST /tasks": _add_task_after,
        },
    ),
    ("memory", "before"): (
        _open_pool,
        {"GET /health": _memory_health_before, "POST /documents": _add_document_before, "GET /search": _search_before},
    ),
    ("memory", "after"): (
        _open_pool,
        {"GET /health": _memory_health_after, "POST /documents": _add_document_after, "GET /search": _search_after},
    ),
    ("ai-gateway", "before"): (_open_pool, {"GET /health": _healthy, "GET /complete": _complete_before}),
    ("ai-gateway", "after"): (
        _open_pool,
        {
            "GET /health": _own_tables("gateway.configurations", "gateway.response_cache"),
            "GET /complete": _complete_after,
        },
    ),
    ("api-gateway", "before"): _GATEWAY,
    ("api-gateway", "after"): _GATEWAY,
    ("learning", "after"): (
        _open_pool,
        {"GET /health": _own_tables("learning.roadmaps", "learning.progress"), "GET /roadmaps": _roadmaps},
    ),
    ("scraper", "before"): (_open_pool, {"GET /health": _select_one, "GET /pages": _pages_before}),
    ("scraper", "after"): (
        _open_pool,
        {"GET /health": _own_tables("scraper.sources", "scraper.pages"), "GET /pages": _pages_after},
    ),
}
