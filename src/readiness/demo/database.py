"""The sample platform's database: made, filled, and in the state *after* migrated, the way its people would do it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from readiness import auditor_role
from readiness.embedded import Cluster

DATABASE, STAGING = "devmentor", "staging"
SQL = Path(__file__).parent / "sql"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the migrations folder.

    Args:
        name: the file's, without its suffix: what node-pg-migrate writes into its table.
    """

    name: str
    up: str
    down: str


_MARKER = re.compile(r"^[ \t]*--[ \t]*(up|down) migration[^\n]*$", re.IGNORECASE | re.MULTILINE)


def read_migrations(folder: Path) -> list[Migration]:
    """The folder's migrations in their order: SQL files as node-pg-migrate takes them.

    Raises:
        ValueError: a file has not one section for each direction, or its name has no time in front.
    """
    found = []
    for path in sorted(folder.glob("*.sql")):
        _, *sections = _MARKER.split(path.read_text(encoding="utf-8"))
        by_direction = {word.lower(): text for word, text in zip(sections[::2], sections[1::2], strict=True)}
        if set(by_direction) != {"up", "down"} or not re.match(r"[0-9]{13}_", path.name):
            raise ValueError(f"{path.name}: expected <milliseconds>_<name>.sql with an up and a down section")
        found.append(Migration(path.stem, by_direction["up"], by_direction["down"]))
    return found


# As node-pg-migrate makes it.
_BOOKKEEPING = """
create table if not exists public.pgmigrations (
    id serial primary key,
    name varchar(255) not null,
    run_on timestamp not null
)
"""
_LOCK = 7241865325823964  # the advisory lock that node-pg-migrate takes


def migrate(connection: psycopg.Connection[Any], migrations: list[Migration]) -> None:
    """Apply what is not applied yet, each migration in a transaction with its entry in the bookkeeping table."""
    connection.execute("select pg_advisory_lock(%s)", [_LOCK])
    connection.execute(_BOOKKEEPING)
    applied = {name for (name,) in connection.execute("select name from public.pgmigrations")}
    for migration in migrations:
        if migration.name in applied:
            continue
        with connection.transaction():
            connection.execute(migration.up.encode())
            connection.execute("insert into public.pgmigrations (name, run_on) values (%s, now())", [migration.name])
    connection.execute("select pg_advisory_unlock(%s)", [_LOCK])


def roll_back(connection: psycopg.Connection[Any], migration: Migration) -> None:
    """Undo one migration and strike its entry out."""
    with connection.transaction():
        connection.execute(migration.down.encode())
        connection.execute("delete from public.pgmigrations where name = %s", [migration.name])


def fill_before(cluster: Cluster) -> None:
    """The database as its services left it: no migrations, one superuser, everything open."""
    with cluster.connect() as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
    _load(cluster, "before.sql", "sample.sql", "before_data.sql")
    with cluster.connect(DATABASE) as admin:
        admin.execute("drop schema sample cascade")
        admin.execute("analyze")


Witness = Callable[[str], None]
"""Looks at the content when there is something to see: "before" the cutover, and "after" it."""


def fill_after(cluster: Cluster, repository: Path, witness: Witness = lambda _moment: None) -> None:
    """The database of the finished platform: made as it was before, then migrated, its rows moved, and added to.

    Args:
        repository: the platform's, with its database/migrations, seeds, cutover and access.sql.
    """
    scripts = repository / "database" / "cutover"
    fill_before(cluster)
    witness("before")
    with cluster.connect(DATABASE) as admin:
        admin.execute((scripts / "1-set-aside.sql").read_bytes())
        migrate(admin, read_migrations(repository / "database" / "migrations"))
        admin.execute((repository / "database" / "access.sql").read_bytes())
        for seed in sorted((repository / "database" / "seeds").glob("*.sql")):
            admin.execute(seed.read_bytes())
    with ThreadPoolExecutor(max_workers=2) as pool, _Sessions(cluster) as sessions:
        halves = [
            pool.submit(sessions.load, scripts / "2-move.sql"),
            pool.submit(
                sessions.load, SQL / "sample.sql", SQL / "after_new.sql", vacuum=["memory", "learning", "gateway"]
            ),
        ]
        for half in halves:
            half.result()
    witness("after")
    with cluster.connect(DATABASE) as admin:
        admin.execute((scripts / "3-clean-up.sql").read_bytes())
    with _Sessions(cluster) as sessions:
        sessions.load(vacuum=["auth", "projects", "scraper"])


def make_staging(cluster: Cluster, repository: Path) -> None:
    """Where a migration is tried before it counts: the same schema by the same migrations, and no rows."""
    with cluster.connect() as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(STAGING)))
    with cluster.connect(STAGING) as admin:
        migrate(admin, read_migrations(repository / "database" / "migrations"))
        if has_extension(cluster, "pg_stat_statements"):
            admin.execute("create extension pg_stat_statements")


def give_passwords(cluster: Cluster, roles: list[str]) -> dict[str, str]:
    """Connection strings of the services' roles, each with a random password of its own."""
    found = {}
    with cluster.connect(DATABASE) as admin:
        for role in roles:
            password = secrets.token_urlsafe(18)
            set_password(admin, role, password)
            found[role] = cluster.dsn(DATABASE, user=role, password=password)
    return found


def make_auditor(cluster: Cluster) -> str:
    """The auditor's role, as `readiness role-sql --tier 5` prints it; its connection string."""
    password = secrets.token_urlsafe(18)
    role = auditor_role.DEFAULT_ROLE
    with cluster.connect(DATABASE) as admin:
        # All tiers: the critical queries read tables with row level security.
        script = auditor_role.script(role=role, database=DATABASE, tier=len(auditor_role.TIERS))
        admin.execute(script.encode())
        set_password(admin, role, password)
    return cluster.dsn(DATABASE, user=role, password=password)


def has_extension(cluster: Cluster, name: str) -> bool:
    """Whether the server's programs bring an extension; not every build has the contrib modules."""
    with cluster.connect() as admin:
        return bool(admin.execute("select from pg_available_extensions where name = %s", [name]).fetchall())


def set_password(admin: psycopg.Connection[Any], role: str, password: str) -> None:
    """Set a password by its verifier: the statement, which logs and pg_stat_statements keep, doesn't hold it."""
    verifier = admin.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    admin.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier)))


class _Sessions:
    """Sessions for bulk loads; what interrupts us ends their statements too."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._open: list[psycopg.Connection[Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for session in self._open:
            if kind is not None:
                session.cancel_safe(timeout=2)
            session.close()

    def load(self, *files: Path, vacuum: Sequence[str] = ()) -> None:
        """Run scripts in a session of their own, then vacuum and analyse the tables of some schemas.

        Neither triggers nor foreign keys are asked, as with `pg_restore --disable-triggers`: the trail of changes
        begins behind the load, and that the rows fit is proved by a test and not at each start.
        """
        session = self._cluster.connect(DATABASE, options="-c session_replication_role=replica")
        self._open.append(session)
        for file in files:
            session.execute(file.read_bytes())
        for (table,) in session.execute(
            "select format('%%I.%%I', schemaname, tablename) from pg_tables where schemaname = any(%s)", [list(vacuum)]
        ).fetchall():
            session.execute(f"vacuum (analyze) {table}".encode())


def _load(cluster: Cluster, *files: str) -> None:
    with _Sessions(cluster) as sessions:
        sessions.load(*(SQL / name for name in files))
