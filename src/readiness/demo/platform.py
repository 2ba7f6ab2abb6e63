"""The sample platform, up for as long as a block: its server, its standby, its services, its folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psycopg import conninfo

from readiness import embedded, history, profile
from readiness.demo import DemoError, State, database, proofs, stores, traffic
from readiness.demo.folder import lay_out
from readiness.demo.stores import Running
from readiness.embedded import Cluster, Runtime, Workshop

PROFILE = "devmentor"
READY_SECONDS = 60.0
STANDBY, REPLICATOR = "standby1", "replicator"
POINTS_BEFORE = 2_000

# Service -> the role that it connects as when the migration is done; None where it needs no database.
SERVICES: Mapping[str, str | None] = {
    "auth": "auth_service",
    "project": "project_service",
    "memory": "memory_service",
    "ai-gateway": "ai_gateway_service",
    "api-gateway": None,
    "learning": "learning_service",
    "scraper": "scraper_service",
}
# Before, these use no database, and the learning engine can't even start: its port is the project service's.
WITHOUT_DATABASE_BEFORE = frozenset({"memory", "ai-gateway", "learning"})
STORES = {"qdrant": "http", "redis": "redis", "s3": "http"}

# Before, the server is as it came. After, it is run as the mission asks: what it keeps is archived and followed, what
# it does is counted, and it has room for every service's pool.
_SETTINGS_BEFORE: Mapping[str, str | int] = {"max_connections": 100, "shared_buffers": "128MB"}
_SETTINGS_AFTER: Mapping[str, str | int] = {
    "max_connections": 200,
    "shared_buffers": "128MB",
    "wal_level": "replica",
    "max_wal_size": "1GB",
    "max_slot_wal_keep_size": "4GB",
    "password_encryption": "scram-sha-256",
    "track_io_timing": "on",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_lock_waits": "on",
    "log_temp_files": "10MB",
    "log_min_duration_statement": "250ms",
    "log_line_prefix": "%m [%p] %u@%d %a ",
    "idle_in_transaction_session_timeout": "60s",
}


Told = Callable[[str], None]
"""Hears of each step, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The platform while it is up.

    Args:
        source: its profile, with every address put in.
        dsn: the auditor's connection; it may look at everything and change nothing.
        folder: its repository.
        values: what its profile asks its environment for.
        evidence: the store with what its people proved; None before, when they had proved nothing.
        processes: the services'.
        answered, refused: how many requests of the moment of traffic went well, and how many didn't.
    """

    state: State
    source: profile.Source
    dsn: str
    folder: Path
    evidence: Path | None
    values: Mapping[str, str]
    cluster: Cluster
    processes: Mapping[str, subprocess.Popen[Any]]
    answered: int
    refused: int


@contextmanager
def raised(state: State, *, runtime: Runtime | None = None, told: Told = lambda _step: None) -> Iterator[Platform]:
    """Bring the platform up; nothing of it stays behind the block, however that ends.

    With TLS where the server's programs were built with it, and openssl is there to make a certificate.

    Raises:
        EmbeddedError: no server can be had.
        DemoError: the rest of it did not come up.
    """
    with ExitStack() as stack:
        workshop = stack.enter_context(Workshop("demo"))
        told("starting PostgreSQL")
        settings = _SETTINGS_BEFORE if state == "before" else _SETTINGS_AFTER
        chosen = runtime or embedded.find_runtime()
        cluster = embedded.create(chosen, workshop, settings=settings, checksums=state == "after")
        cluster.start()
        folder = workshop.folder / PROFILE
        lay_out(folder, state)
        raise_it = _raised_before if state == "before" else _raised_after
        yield raise_it(stack, cluster, folder, told)


def _raised_before(stack: ExitStack, cluster: Cluster, folder: Path, told: Told) -> Platform:
    beside = _stores_before(cluster.workshop)
    told("loading the platform's data")
    database.fill_before(cluster)
    superuser = cluster.dsn(database.DATABASE)
    auditor = database.make_auditor(cluster)
    told("starting the services")
    dsns = {name: superuser for name, role in SERVICES.items() if role and name not in WITHOUT_DATABASE_BEFORE}
    if "qdrant" in beside:
        stores.await_up(cluster.workshop, "qdrant", beside["qdrant"])
    addresses, processes = _in_service(stack, cluster, folder, "before", dsns, beside)
    told("letting people work")
    answered, refused = traffic.run(addresses["api-gateway"], "before")
    nobody = conninfo.make_conninfo(
        "", host="127.0.0.1", port=_closed_port(stack).rpartition(":")[2], dbname=database.DATABASE
    )
    values = _values(auditor, addresses, dsns, standby=nobody, staging=nobody, beside=beside)
    return Platform(
        state="before",
        source=_profile(folder, values),
        values=values,
        dsn=auditor,
        folder=folder,
        evidence=None,
        cluster=cluster,
        processes=processes,
        answered=answered,
        refused=refused,
    )


def _raised_after(stack: ExitStack, cluster: Cluster, folder: Path, told: Told) -> Platform:
    workshop = cluster.workshop
    superuser = cluster.dsn(database.DATABASE)
    environment = proofs.environment({}, cluster.runtime.bindir)
    commands = proofs.Commands(workshop, folder / profile.FILE_NAME, environment)
    told("walking the migrations up, down and up")
    rollback, log = ("drill", "rollback", "--quiet"), workshop.folder / "rollback.log"
    walking = commands.start(*rollback, log=log)
    told("applying the migrations, moving the platform's data, comparing every row")
    before, after = (workshop.folder / f"{moment}.snapshot" for moment in ("before", "after"))
    changes = ("--changes", folder / "database" / "cutover" / "changes.yaml", "--database", superuser, "--quiet")

    def witness(moment: str) -> None:
        if moment == "before":
            commands.run("snapshot", before, *changes)
        else:
            commands.run("snapshot", after, "--before", before, *changes)
            commands.run("compare", before, after)

    database.fill_after(cluster, folder, witness)
    beside = _stores_after(workshop, cluster)
    roles = database.give_passwords(cluster, [*(role for role in SERVICES.values() if role), REPLICATOR])
    auditor = database.make_auditor(cluster)
    told("archiving, a backup, a standby")
    _put_into_service(cluster, folder)
    standby = _follow(cluster, auditor, roles[REPLICATOR])
    _back_up(cluster)
    told("starting the services")
    dsns = {name: roles[role] for name, role in SERVICES.items() if role}
    for name in beside.keys() - {"redis"}:
        stores.await_up(workshop, name, beside[name])
    addresses, processes = _in_service(stack, cluster, folder, "after", dsns, beside)
    told("letting people work")
    answered, refused = traffic.run(addresses["api-gateway"], "after")
    staging = conninfo.make_conninfo(auditor, dbname=database.STAGING)
    values = _values(auditor, addresses, dsns, standby=standby, staging=staging, beside=beside)
    told("the drills")
    drills = replace(commands, environment=environment | values)
    drills.run("drill", "services", "--yes")
    drills.run("drill", "rls", "--database", superuser)
    drills.run("drill", "audit-trail", "--database", superuser)
    if shutil.which("promtool"):
        drills.run("drill", "alerts", "--database", superuser)
    drills.run("drill", "restore", "--database", superuser, "--quiet")
    proofs.ended(walking, rollback, log)
    drills.try_out("drill", "load", "--server", superuser, "--same-server", "--seconds", "2", "--scale", "1")
    return Platform(
        state="after",
        source=_profile(folder, values),
        values=values,
        dsn=auditor,
        folder=folder,
        evidence=history.default_path(folder, {}, has_profile=True),
        cluster=cluster,
        processes=processes,
        answered=answered,
        refused=refused,
    )


def session(platform: Platform) -> str:
    """The auditor's connection string for others, its password in a file that goes with the platform."""
    parameters = {name: str(value) for name, value in conninfo.conninfo_to_dict(platform.dsn).items()}
    password = parameters.pop("password")
    passfile = platform.cluster.workshop.folder / "auditor.pgpass"
    passfile.touch(0o600)
    passfile.write_text(f"*:*:*:{parameters['user']}:{password}\n", encoding="ascii")
    return conninfo.make_conninfo("", **parameters, passfile=str(passfile))


# -- the server ------------------------------------------------------------------------------------------------


def _put_into_service(cluster: Cluster, folder: Path) -> None:
    """The data is in and the passwords are set: from here on WAL is archived and statements are counted."""
    archive = cluster.workshop.folder / "archive"
    archive.mkdir(mode=0o700)
    cluster.give(archive)
    counted = database.has_extension(cluster, "pg_stat_statements")
    into = shlex.quote(str(archive)).replace("%", "%%")  # for the shell, and for the server that fills in %f
    cluster.configure(
        {"archive_mode": "on", "archive_command": f"test ! -f {into}/%f && cp %p {into}/%f"}
        | ({"shared_preload_libraries": "pg_stat_statements"} if counted else {})
    )
    _encipher(cluster)
    cluster.restart()
    with cluster.connect(database.DATABASE) as admin:
        if counted:
            admin.execute("create extension pg_stat_statements")
        admin.execute("select pg_switch_wal()")
    database.make_staging(cluster, folder)


def _encipher(cluster: Cluster) -> None:
    """TLS, and nothing without it, where the server's programs can: the wheel's can't."""
    openssl = shutil.which("openssl")
    with cluster.connect() as admin:
        library = admin.execute("select setting from pg_settings where name = 'ssl_library'").fetchone()
    if library != ("OpenSSL",) or openssl is None:
        return
    key, certificate = cluster.workshop.folder / "server.key", cluster.workshop.folder / "server.crt"
    try:
        cluster.workshop.run(
            [
                *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "365", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate),
            ]
        )
    except subprocess.CalledProcessError as error:
        raise DemoError("openssl made no certificate") from error
    key.chmod(0o600)
    cluster.give(key)
    cluster.give(certificate)
    cluster.configure(
        {
            "ssl": "on",
            "ssl_cert_file": str(certificate),
            "ssl_key_file": str(key),
            "ssl_min_protocol_version": "TLSv1.2",
            "ssl_ciphers": "HIGH:!aNULL:!3DES",
        }
    )
    rules = cluster.data / "pg_hba.conf"
    rules.write_text(re.sub(r"^host\b", "hostssl", rules.read_text(), flags=re.MULTILINE))


def _back_up(cluster: Cluster) -> None:
    """A base backup, where the profile says that they lie; what is written after it is in the archive."""
    folder = cluster.workshop.folder / "backups"
    folder.mkdir(mode=0o700)
    cluster.give(folder)
    done = cluster.tool(
        *("pg_basebackup", "--pgdata", str(folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")),
        *("--checkpoint=fast", "--wal-method=none", "--no-sync"),
        check=False,
    )
    if done.returncode:
        raise DemoError(f"no backup could be made: {''.join(done.stderr.strip().splitlines()[-1:])}")


def _follow(cluster: Cluster, auditor: str, dsn: str) -> str:
    """A streaming standby; the auditor's way to it.

    Args:
        dsn: of the role that may replicate.
    """
    password = str(conninfo.conninfo_to_dict(dsn)["password"])
    passfile = cluster.workshop.folder / "replicator.pgpass"
    passfile.touch(0o600)
    passfile.write_text(f"127.0.0.1:{cluster.port}:*:{REPLICATOR}:{password}\n", encoding="ascii")
    cluster.give(passfile)
    standby = replace(cluster, data=cluster.workshop.folder / STANDBY, port=cluster.workshop.port(), process=None)
    source = conninfo.make_conninfo(
        "",
        host="127.0.0.1",
        port=cluster.port,
        user=REPLICATOR,
        passfile=str(passfile),
        application_name=STANDBY,
    )
    done = cluster.workshop.run(
        [
            *(cluster.runtime.bindir / "pg_basebackup", "--pgdata", standby.data, "--checkpoint=fast", "--no-sync"),
            *("--write-recovery-conf", "--create-slot", "--slot", STANDBY, "--dbname", source),
        ],
        check=False,
        text=True,
        env=cluster.runtime.env() | {"HOME": str(cluster.workshop.folder)},
        cwd=cluster.workshop.folder,
        **cluster.owner,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:]
        raise DemoError(f"no standby could be made: {''.join(said) or 'pg_basebackup said nothing'}")
    standby.configure({"port": standby.port})
    standby.start()
    return conninfo.make_conninfo(auditor, port=standby.port)


def _stores_before(workshop: Workshop) -> dict[str, Running]:
    """The stores as they came: open to all, the cache without a bound, points that no row names and no filter finds.

    There is no MinIO yet: files lie on the project service's own disk.
    """
    found: dict[str, Running] = {}
    program = stores.find_redis()
    if program is not None:
        found["redis"] = stores.start_redis(workshop, program, settings={"requirepass": "", "save": ""})
    if stores.has_stand_ins():
        points = [str(traffic.key("point", n)) for n in range(POINTS_BEFORE)]
        found["qdrant"] = stores.start_qdrant(
            workshop, fill=[{"collection": "chunks", "size": 4, "ids": points}], key=False
        )
    return found


def _stores_after(workshop: Workshop, cluster: Cluster) -> dict[str, Running]:
    """The stores beside Postgres, as far as what they are made of is installed: they load while the rest goes on."""
    found: dict[str, Running] = {}
    program = stores.find_redis()
    if program is not None:
        settings = {"maxmemory": "64mb", "maxmemory-policy": "allkeys-lru"}
        found["redis"] = stores.start_redis(workshop, program, settings=settings)
    if not stores.has_stand_ins():
        return found
    with cluster.connect(database.DATABASE) as admin:
        points = [str(p) for (p,) in admin.execute("select qdrant_point_id from memory.chunks")]
        keys = admin.execute(
            "select storage_key from projects.project_files union all select storage_key from projects.file_versions"
        ).fetchall()
    chunks = {"collection": "chunks", "size": 4, "ids": points, "payload_indexes": ["user_id"]}
    ends = {
        "ID": "old versions end",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": "30"},
    }
    bucket = {
        "bucket": "devmentor-files",
        "keys": [key for (key,) in keys],
        "versioned": True,
        "encrypted": True,
        "lifecycle": [ends],
    }
    found["qdrant"] = stores.start_qdrant(workshop, fill=[chunks])
    found["s3"] = stores.start_s3(workshop, fill=[bucket])
    return found


# -- the services ----------------------------------------------------------------------------------------------


def _in_service(
    stack: ExitStack,
    cluster: Cluster,
    folder: Path,
    state: State,
    dsns: Mapping[str, str],
    beside: Mapping[str, Running],
) -> tuple[dict[str, str], dict[str, subprocess.Popen[Any]]]:
    """The services' addresses and processes, when each of them answers; the stores' addresses beside them."""
    addresses = {
        name: beside[name].url if name in beside else f"{scheme}://{_closed_port(stack)}"
        for name, scheme in STORES.items()
    }
    processes = _start_services(
        stack,
        cluster.workshop,
        cluster,
        folder,
        state,
        addresses,
        dsns,
        beside["qdrant"].secret if "qdrant" in beside else "",
    )
    stack.callback(_stop_together, [store.process for store in beside.values()])
    _await_services(cluster.workshop, processes, addresses)
    return addresses, processes


def _start_services(
    stack: ExitStack,
    workshop: Workshop,
    cluster: Cluster,
    folder: Path,
    state: State,
    addresses: dict[str, str],
    dsns: Mapping[str, str],
    qdrant_key: str,
) -> dict[str, subprocess.Popen[Any]]:
    """One process each. They listen on sockets that we opened: no port can be lost to somebody else in between."""
    names = [name for name in SERVICES if not (state == "before" and name == "learning")]
    sockets = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128)) for name in names}
    addresses |= {name: f"http://127.0.0.1:{s.getsockname()[1]}" for name, s in sockets.items()}
    addresses.setdefault("learning", addresses["project"])
    files = folder / "services" / "memory" / "data"
    cluster.give(files)
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "PYTHONINSPECT"))}
    processes = {}
    for name in names:
        with (workshop.folder / f"{name}.log").open("ab") as log:
            processes[name] = workshop.start(
                [
                    *(sys.executable, "-P", "-m", "readiness.demo.service", "--service", name, "--state", state),
                    *("--fd", str(sockets[name].fileno()), "--parent", str(os.getpid()), "--folder", str(files)),
                ],
                stdout=log,
                stderr=log,
                pass_fds=[sockets[name].fileno()],
                env=plain
                | {
                    "HOME": str(workshop.folder),
                    "DATABASE_URL": dsns.get(name, ""),
                    "ADDRESSES": json.dumps(addresses | {"qdrant-key": qdrant_key}),
                },
            )
        sockets[name].close()
    stack.callback(_stop_together, processes.values())
    return processes


def _stop_together(processes: Iterable[subprocess.Popen[Any]]) -> None:
    """Ask all at once; the workshop, which comes next, waits for each."""
    for process in processes:
        if process.poll() is None:
            process.terminate()


def _await_services(
    workshop: Workshop, processes: Mapping[str, subprocess.Popen[Any]], addresses: Mapping[str, str]
) -> None:
    """Until each gives an answer, whatever it is: before the migration not all are healthy."""
    deadline = time.monotonic() + READY_SECONDS
    for name, process in processes.items():
        while not traffic.ask(addresses[name], "GET /health")[0]:
            if process.poll() is not None or time.monotonic() > deadline:
                said = (workshop.folder / f"{name}.log").read_text(errors="replace").strip().splitlines()[-1:]
                raise DemoError(f"the service {name} did not start: {' '.join(said) or 'it said nothing'}")
            time.sleep(0.05)


def _closed_port(stack: ExitStack) -> str:
    """An address where nothing answers, and nobody else can begin to: the stores that the demo doesn't bring.

    What may be running on their usual ports of this machine is not the demo's to ask.
    """
    held = stack.enter_context(socket.socket())
    held.bind(("127.0.0.1", 0))
    return f"127.0.0.1:{held.getsockname()[1]}"


def _values(
    auditor: str,
    addresses: Mapping[str, str],
    dsns: Mapping[str, str],
    *,
    standby: str,
    staging: str,
    beside: Mapping[str, Running],
) -> dict[str, str]:
    """What the profile asks its environment for."""
    values = {"DATABASE_URL": auditor, "STANDBY_DATABASE_URL": standby, "STAGING_DATABASE_URL": staging}
    values |= {f"{_variable(name)}_URL": url for name, url in addresses.items()}
    values |= {f"{_variable(name)}_DATABASE_URL": dsn for name, dsn in dsns.items()}
    for name, store in beside.items():
        secret = {"qdrant": "QDRANT_API_KEY", "redis": "REDIS_PASSWORD", "s3": "S3_SECRET_KEY"}[name]
        values[secret] = store.secret
        if name == "s3":
            values["S3_ACCESS_KEY"] = store.user
    return values


def _profile(folder: Path, values: Mapping[str, str]) -> profile.Source:
    """The shipped profile, with the demo's addresses and nothing of this machine's environment."""
    return profile.load_shipped(PROFILE, {}, overrides=values).model_copy(update={"folder": folder})


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
