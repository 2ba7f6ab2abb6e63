"""A real PgBouncer before a test's database."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import conninfo

import stage
from conftest import Database
from readiness.embedded import Workshop, server_account

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
WATCHER, SECRET = "watcher", "watcher-of-the-pooler"


@dataclass(frozen=True)
class Bouncer:
    """Where it listens: the bare role's DSN through it, and its console's as a stats user."""

    port: int
    dsn: str
    console: str


@contextmanager
def bouncer(
    database: Database, *, mode: str = "transaction", tls: bool = True, others: tuple[str, ...] = (), **settings: str
) -> Iterator[Bouncer]:
    """PgBouncer with one server connection that every client shares, and TLS on the clients' side."""
    assert PROGRAM is not None
    account = server_account()
    with Workshop("test") as workshop:
        folder, port = workshop.folder, workshop.port()
        users, key, certificate = folder / "users.txt", folder / "key", folder / "crt"
        own_roles = "".join(f'"{role}" "bare-role-of-a-test"\n' for role in (database.bare_role, *others))
        users.write_text(f'{own_roles}"{WATCHER}" "{SECRET}"\n')
        if tls:
            named = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
            subprocess.run(
                [
                    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                    *("-days", "30", *named, "-keyout", str(key), "-out", str(certificate)),
                ],
                check=True,
                capture_output=True,
            )
            settings |= {
                "client_tls_sslmode": "require",
                "client_tls_key_file": str(key),
                "client_tls_cert_file": str(certificate),
            }
        own = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": str(users),
            "stats_users": WATCHER,
            "pool_mode": mode,
            "default_pool_size": "1",
            "max_client_conn": "20",
        }
        told = folder / "pgbouncer.ini"
        lines = [f"{name} = {value}" for name, value in (own | settings).items()]
        told.write_text(
            f"[databases]\n{database.name} = host=127.0.0.1 port={database.cluster.port}\n[pgbouncer]\n"
            + "\n".join(lines)
        )
        for path in folder, *folder.iterdir():
            if account:
                shutil.chown(path, account["user"], account["group"])
        with (folder / "log").open("wb") as log:
            workshop.start([PROGRAM, told], stdout=log, stderr=log, cwd="/", **account)
        way: dict[str, str | int] = {"port": port}
        if tls:  # the certificate is looked at, and the connection is encrypted or there is none
            way |= {"sslmode": "verify-full", "sslrootcert": str(certificate)}
        dsn = conninfo.make_conninfo(database.bare_dsn(), **way)

        def up() -> bool:
            try:
                psycopg.connect(dsn, connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        assert stage.eventually(up, 15), (folder / "log").read_text()
        console = conninfo.make_conninfo(dsn, user=WATCHER, password=SECRET, dbname="pgbouncer")
        yield Bouncer(port=port, dsn=dsn, console=console)
