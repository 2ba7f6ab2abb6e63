"""Real servers for the tests: the embedded one, and Debian's PostgreSQL 15 with TLS. A cluster a session, a database a test."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql

import servers
from readiness import embedded
from readiness.embedded import Cluster, Runtime

DEBIAN = Path("/usr/lib/postgresql/15/bin")
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "max_prepared_transactions": 5,
    "max_connections": 60,
    "wal_level": "logical",
    # Else it comes to a freshly loaded table in the middle of a test, and what statistics say of it moves.
    "autovacuum_naptime": "1d",
}


MEMORY = Path("/dev/shm")
ROOM = 4 << 30


def _in_memory() -> None:
    """Scratch clusters and folders lie in memory where there is room: making and dropping a database is all small files.

    Whoever names a TMPDIR has it.
    """
    with suppress(OSError, ValueError):
        there, pages = os.statvfs(MEMORY), os.sysconf("SC_AVPHYS_PAGES")
        roomy = min(there.f_bavail * there.f_frsize, pages * os.sysconf("SC_PAGE_SIZE")) > ROOM
        runs = not there.f_flag & os.ST_NOEXEC  # programs are copied there
        if "TMPDIR" not in os.environ and roomy and runs and os.access(MEMORY, os.W_OK | os.X_OK):
            os.environ["TMPDIR"] = str(MEMORY)  # which what we start, the other workers among it, inherits
            tempfile.tempdir = None  # it was asked for already


def pytest_configure(config: pytest.Config) -> None:
    _in_memory()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As a shell leaves it to what it starts in the background; what we start would inherit it, and tests send it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "slow: takes more than a few seconds")
    config.addinivalue_line("markers", "alone: measures time; `make test` runs it with nothing beside it")


# An example may take as long as it takes, as in Hypothesis' own profile of CI: beside other work 200 ms are no measure.
hypothesis.settings.register_profile("unhurried", hypothesis.settings(deadline=None))
hypothesis.settings.load_profile("unhurried")


# What is brought up for a file's tests is brought up once: a worker has the whole file. Those that take longest begin
# first, so that none of them is left to one worker while the others have nothing more to do.
# fmt: off
LONGEST = (
    "finished", "demo", "stories", "known_answers", "cli", "canary", "integrations", "frameworks", "restore_drill", "wheel",
    "document", "history", "fleet", "session", "content", "foreign", "remedies",
)
# fmt: on


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {f"test_{name}": at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """A command that runs in this process leaves its handlers behind, as it may: it ends with its process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where READINESS_NO_SKIPS is set (CI), a skipped test is a failure: nothing is quietly left out."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter else 0
    if skipped and os.environ.get("READINESS_NO_SKIPS") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    from test_known_answers import CASES, SCHEMAS, table

    told = f"{len(CASES)} cases and {len(SCHEMAS)} schemas" if CASES else "absent"
    terminalreporter.write_line(f"known answers: {told}")
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, [])]
    for line in table(p for r in reports if r.when == "call" for p in r.user_properties):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def embedded_cluster() -> Iterator[Cluster]:
    """PostgreSQL 18, from the wheel."""
    with embedded.cluster(settings=SETTINGS, fast=True, purpose="test") as made:
        yield made


@contextmanager
def debian_server() -> Iterator[Cluster]:
    """PostgreSQL 15 with TLS, from Debian's package."""
    if not (DEBIAN / "postgres").exists():
        pytest.skip("Debian's postgresql-15 is not installed")

    def with_tls(made: Cluster) -> None:
        key, certificate = made.workshop.folder / "server.key", made.workshop.folder / "server.crt"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate),
            ],
            check=True,
            capture_output=True,
        )
        key.chmod(0o600)
        made.give(key)
        made.give(certificate)
        made.configure({"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)})

    with embedded.cluster(Runtime(DEBIAN), settings=SETTINGS, fast=True, purpose="test", prepare=with_tls) as made:
        yield made


@pytest.fixture(scope="session")
def debian_cluster() -> Iterator[Cluster]:
    """PostgreSQL 15 with TLS, which a session's tests share: they leave nothing of a whole server's behind."""
    with debian_server() as made:
        yield made


@pytest.fixture(scope="session")
def started() -> Iterator[Callable[[int], Cluster]]:
    """Servers of other versions, each started when it is first asked for and kept: every file asks for each again."""
    with ExitStack() as stack:

        @cache
        def of(major: int) -> Cluster:
            return stack.enter_context(
                embedded.cluster(servers.runtime(major), settings=SETTINGS, fast=True, purpose="test")
            )

        yield of


@pytest.fixture(scope="session", params=[13, 14, 16, 17])
def older_cluster(request: pytest.FixtureRequest, started: Callable[[int], Cluster]) -> Cluster:
    """PostgreSQL 13, 14, 16 and 17; what only differs by version is tested on these too."""
    return started(request.param)


@pytest.fixture(scope="session", params=["debian", "embedded"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Each of the servers in turn."""
    made: Cluster = request.getfixturevalue(f"{request.param}_cluster")
    return made


class Database:
    """A database of one test's own, with a bare login role beside the superuser."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.bare_role = f"{name}_bare"
        self.made_roles: list[str] = [self.bare_role]

    def dsn(self, **parameters: str | int) -> str:
        return self.cluster.dsn(self.name, **parameters)

    def bare_dsn(self) -> str:
        return self.dsn(user=self.bare_role, password="bare-role-of-a-test")

    def connect(self, **parameters: str | int) -> psycopg.Connection:
        return self.cluster.connect(self.name, **parameters)

    def run(self, script: str) -> None:
        """Run SQL as the superuser, each statement by itself, as psql would."""
        with self.connect() as connection:
            for statement in statements(script):
                connection.execute(statement.encode())


def statements(script: str) -> list[str]:
    """Split a script at the semicolons that end statements."""
    import re

    parts, current, position = [], "", 0
    pattern = re.compile(r"(\$\w*\$)|('(?:[^']|'')*')|(\"(?:[^\"]|\"\")*\")|(--[^\n]*)|(;)", re.DOTALL)
    while match := pattern.search(script, position):
        current += script[position : match.start()]
        if match.group(1):
            end = script.index(match.group(1), match.end()) + len(match.group(1))
            current += script[match.start() : end]
            position = end
            continue
        position = match.end()
        if match.group(5):
            parts.append(current)
            current = ""
        elif not match.group(4):
            current += match.group()
    parts.append(current + script[position:])
    return [part.strip() for part in parts if part.strip()]


@pytest.fixture
def make_database() -> Iterator[Callable[[Cluster], Database]]:
    made: list[Database] = []

    def make(cluster: Cluster) -> Database:
        database = Database(cluster, f"t_{uuid.uuid4().hex[:12]}")
        with cluster.connect() as admin:
            admin.execute(sql.SQL("create database {} template template0").format(sql.Identifier(database.name)))
            admin.execute(
                sql.SQL("create role {} login password 'bare-role-of-a-test'").format(
                    sql.Identifier(database.bare_role)
                )
            )
        made.append(database)
        return database

    yield make
    for database in made:
        with database.cluster.connect() as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database.name)))
            for role in database.made_roles:
                admin.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


@pytest.fixture
def database(cluster: Cluster, make_database: Callable[[Cluster], Database]) -> Database:
    """A fresh database on each of the servers in turn."""
    return make_database(cluster)


@pytest.fixture
def embedded_database(embedded_cluster: Cluster, make_database: Callable[[Cluster], Database]) -> Database:
    return make_database(embedded_cluster)


@pytest.fixture
def debian_database(debian_cluster: Cluster, make_database: Callable[[Cluster], Database]) -> Database:
    return make_database(debian_cluster)
