"""The server's certificate, read from a real server that is given one after the other."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from asking import ask
from conftest import DEBIAN
from readiness import embedded
from readiness.embedded import Cluster, Runtime
from readiness.model import Examined, Observation, Reason, Unknown

CHECK = "security/certificate-expiring"
OPENSSL_CA = (
    "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\n"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    if not (DEBIAN / "postgres").exists():
        pytest.skip("Debian's postgresql-15 is not installed")
    with embedded.cluster(Runtime(DEBIAN), fast=True, purpose="test") as made:
        assert isinstance(ask(CHECK, made.dsn()), Unknown)  # it offers no TLS yet
        yield made


def show(server: Cluster, begins: str, ends: str, name: str = "IP:127.0.0.1") -> Observation:
    """Give the server a certificate with these dates, and ask the check."""
    folder = server.workshop.folder
    (folder / "ca.conf").write_text(f"{OPENSSL_CA}commonName=supplied\n[x]\nsubjectAltName={name}\n")
    (folder / "index").write_text("")
    (folder / "serial").write_text("01")
    key, request, certificate = (folder / f"server.{end}" for end in ("key", "csr", "crt"))
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", request)
    openssl(
        folder,
        *("ca", "-batch", "-selfsign", "-notext", "-config", "ca.conf", "-extensions", "x", "-keyfile", key),
        *("-in", request, "-out", certificate, "-startdate", begins, "-enddate", ends),
    )
    key.chmod(0o600)
    server.give(key)
    server.give(certificate)
    server.configure({"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)})
    server.restart()
    outcome = ask(CHECK, server.dsn(sslmode="require"))
    assert isinstance(outcome, Examined), outcome
    return outcome.observations[0]


def openssl(folder: Path, *words: str | Path) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def day(offset: int) -> str:
    return f"{dt.datetime.now(dt.UTC) + dt.timedelta(days=offset):%Y%m%d%H%M%SZ}"


def test_a_sound_certificate_one_that_ends_soon_and_one_that_has_ended(server: Cluster):
    sound = show(server, day(-1), day(90))
    assert (sound.ok, sound.evidence["made_out_to_this_host"]) == (True, True)
    assert str(sound.evidence["offered"]).startswith("TLSv1.3 ")
    soon = show(server, day(-1), day(10), name="DNS:db.example")
    assert (soon.ok, soon.evidence["made_out_to_this_host"]) == (False, False)
    assert soon.evidence["days_left"] == pytest.approx(10, abs=0.2)
    ended = show(server, day(-30), day(-1))
    assert (ended.ok, ended.evidence["refused"]) == (False, "certificate has expired")


def test_without_tls_there_is_nothing_to_look_at(embedded_cluster: Cluster):
    outcome = ask(CHECK, embedded_cluster.dsn())
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.NOT_OBSERVABLE
