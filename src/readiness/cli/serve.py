"""`readiness serve`: audits on a schedule, and answers Prometheus and browsers from what they found."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Annotated

import typer

from readiness import fleet
from readiness.cli import support
from readiness.cli.support import DatabaseOption, PolicyOption, ProfileOption
from readiness.fleet import Fleet
from readiness.serving.board import Board
from readiness.serving.schedule import Schedule, utc_now
from readiness.serving.web import Certificates, Server, Site, Users
from readiness.yamldoc import ConfigError

app = support.new_app()

LISTEN = "127.0.0.1:9795"


@app.command()
def serve(
    targets: Annotated[
        Path | None,
        typer.Option("--targets", metavar="FILE", help="Several targets. Default: the one that `score` would audit."),
    ] = None,
    profile: ProfileOption = None,
    database: DatabaseOption = "",
    policy: PolicyOption = "beta",
    every: Annotated[
        str, typer.Option("--every", metavar="TIME", help="Between two audits: 15m, 6h, 1d (one target).")
    ] = "1h",
    listen: Annotated[
        str, typer.Option("--listen", metavar="ADDRESS:PORT", help="Where; port 0 takes a free one.")
    ] = LISTEN,
    users: Annotated[
        Path | None, typer.Option("--users", metavar="FILE", help="Basic authentication: lines of name:password.")
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option("--tls-certificate", metavar="FILE", help="PEM, with its chain; renewed files count.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key, PEM.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option("--tls-client-ca", metavar="FILE", help="Let in only clients with its certificates.")
    ] = None,
    write_monitoring: Annotated[
        Path | None,
        typer.Option("--write-monitoring", metavar="DIR", help="Write Grafana dashboards and alert rules, and end."),
    ] = None,
) -> int:
    """Serve metrics, reports and history; audit on a schedule.

    /metrics and /probe?target=NAME for Prometheus, / the latest report, /history, /run.json, /badge.svg, /healthz,
    /readyz. A request never starts an audit. SIGTERM or Ctrl-C ends it, with what is under way.
    """
    if write_monitoring is not None:
        _write_monitoring(write_monitoring)
        return 0
    if targets is not None:
        if profile is not None or database != os.environ.get(support.DATABASE_VARIABLE, "") or policy != "beta":
            raise ConfigError("--targets: its file names profiles, policies and databases; leave the other options out")
        served = fleet.load(targets, os.environ)
    else:
        served = Fleet(targets=(_alone(profile, database, policy, every),))
    address = _address(listen)
    certificates = _certificates(tls_certificate, tls_key, tls_client_ca)
    admitted = _users(users)
    board = Board(served.targets)
    for problem in board.recall(now=utc_now()):
        support.say(f"readiness: {problem}")
    schedule = Schedule(
        served.targets, board, parallel=served.parallel, told=lambda said: support.say(f"readiness: {said}")
    )
    site = Site(board, detail=served.detail, now=utc_now, alive=lambda: schedule.alive)
    try:
        server = Server(address, site, users=admitted, certificates=certificates, told=support.say)
    except OSError as error:
        raise ConfigError(f"--listen {listen}: can't be had: {error.strerror or error}") from error
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    _tell(server, certificates=certificates is not None, open_to_all=admitted is None and tls_client_ca is None)
    return _until(told, server, schedule)


def _write_monitoring(folder: Path) -> None:
    """What ships for Prometheus and Grafana, as files. One that is there and differs is somebody's work: it stays.

    Raises:
        ConfigError: there is such a file, or one can't be written.
    """
    from importlib.resources import as_file, files

    with as_file(files("readiness_config") / "monitoring") as shipped:
        texts = {
            path.relative_to(shipped): path.read_bytes() for path in sorted(shipped.rglob("*.*")) if path.is_file()
        }
    try:
        for name, text in texts.items():
            if (folder / name).exists() and (folder / name).read_bytes() != text:
                raise ConfigError(f"--write-monitoring {folder}: {name} is there and differs; name another folder")
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text)
            print(folder / name)
    except OSError as error:
        raise ConfigError(f"--write-monitoring {folder}: can't be written: {error.strerror or error}") from error


def _alone(profile: str | None, database: str, policy: str, every: str) -> fleet.Target:
    here = support.here()
    try:
        fleet.seconds_of(every)
    except ValueError as error:
        raise ConfigError(f"--every {every}: {error}") from None
    target = fleet.target(
        "",
        folder=here,
        profile_name=profile,
        policy_name=policy,
        dsn=database,
        every=every,
        evidence=None,
        environment=os.environ,
    )
    return target if target.name else fleet.named_by_database(target)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not port.isdecimal() or int(port) > 65535 or not host:
        raise ConfigError(f"--listen {listen}: expected ADDRESS:PORT")
    try:
        return str(ipaddress.ip_address(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])), int(port)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--listen {listen}: no such address") from error


def _users(path: Path | None) -> Users | None:
    if path is None:
        return None
    try:
        return Users.read(path)
    except OSError as error:
        raise ConfigError(f"--users {path}: can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"--users {path}: {error}") from None


def _certificates(certificate: Path | None, key: Path | None, client_ca: Path | None) -> Certificates | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise ConfigError("--tls-certificate and --tls-key belong together")
    try:
        return Certificates(certificate, key, client_ca=client_ca)
    except OSError as error:  # ssl.SSLError too
        raise ConfigError(f"--tls-certificate {certificate}: {error.strerror or error}") from error


def _tell(server: Server, *, certificates: bool, open_to_all: bool) -> None:
    host, port = server.place
    place = f"[{host}]" if ":" in host else host
    if not server.loopback and (open_to_all or not certificates):
        lack = " and ".join(
            [*(["--users"] if open_to_all else []), *([] if certificates else ["--tls-certificate and --tls-key"])]
        )
        support.say(f"readiness: whoever reaches {place}:{port} can read the reports; add {lack}")
    support.say(f"readiness: serving on {'https' if certificates else 'http'}://{place}:{port}/")


def _until(told: threading.Event, server: Server, schedule: Schedule) -> int:
    """Serve until a signal comes; it is how this command ends, so it ends well."""
    thread = threading.Thread(target=server.serve_forever, name="requests", daemon=True)
    thread.start()
    schedule.start()
    while not told.wait(1.0):
        if not thread.is_alive():
            support.say("readiness: the server ended by itself")
            return support.CRASHED
    # Metrics stay up while what is under way ends: a scrape in between still gets the truth.
    schedule.stop()
    server.shutdown()
    server.server_close()
    return 0
