"""The server's certificate, read from a real server that is given one after the other."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from asking import ask, found
from conftest import DEBIAN
from readiness import embedded
from readiness.embedded import Cluster, Runtime
from readiness.model import Examined, Observation, Reason, Unknown
from readiness.profile import Profile

CHECK = "security/certificate-expiring"
OPENSSL_CA = (
    "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\n"
)

CURVE = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


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


def test_an_authority_between_that_ends_before_the_servers_certificate(server: Cluster):
    folder = server.workshop.folder
    new = ("req", "-nodes", "-sha256", "-newkey", *CURVE)
    for name in ("root", "older"):
        own = ("-x509", "-days", "900", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt")
        openssl(folder, *new, *own)
    (folder / "authority").write_text("basicConstraints=critical,CA:TRUE\n")
    (folder / "leaf").write_text("subjectAltName=IP:127.0.0.1\n")

    def signed(name: str, by: str, days: int, kind: str = "authority", out: str = "") -> str:
        issuer = ("-CA", f"{by}.crt", "-CAkey", f"{by}.key", "-CAcreateserial")
        words = ("-extfile", kind, "-days", str(days), "-in", f"{name}.csr", "-out", f"{out or name}.crt")
        openssl(folder, "x509", "-req", *issuer, *words)
        return (folder / f"{out or name}.crt").read_text()

    for name in ("between", "server"):
        openssl(folder, *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    openssl(folder, "req", "-new", "-key", "root.key", "-subj", "/CN=root", "-out", "root.csr")
    crossed = signed("root", "older", 5, out="crossed")
    soon, later = signed("between", "root", 9, out="soon"), signed("between", "root", 300)
    own = signed("server", "between", 90, "leaf")
    certificate, key = folder / "server.crt", folder / "server.key"
    key.chmod(0o600)
    server.give(key)
    roots = {"sslrootcert": str(folder / "root.crt")}
    for chain, more, expected in (
        ((later,), {}, (True, 90, None)),
        ((soon,), {}, (False, 9, "between")),
        ((soon,), roots, (False, 9, "between")),
        ((soon, later), {}, (True, 90, None)),  # a client takes the valid one
        ((later, crossed), {}, (False, 5, "root")),
        ((later, crossed), roots, (True, 90, None)),  # whoever knows the root needs no other's word for it
    ):
        certificate.write_text("".join((own, *chain)))
        server.give(certificate)
        server.configure({"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)})
        server.restart()
        outcome = ask(CHECK, server.dsn(sslmode="require" if not more else "verify-ca", **more))
        assert isinstance(outcome, Examined), outcome
        (only,) = outcome.observations
        days = pytest.approx(expected[1], abs=0.2)
        assert (only.ok, only.evidence["days_left"], only.evidence.get("ends_first")) == (
            expected[0],
            days,
            expected[2],
        )


def test_without_tls_there_is_nothing_to_look_at(embedded_cluster: Cluster):
    outcome = ask(CHECK, embedded_cluster.dsn())
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.NOT_OBSERVABLE


# -- verified as clients would ---------------------------------------------------------------------------------

VERIFIED = "security/certificate-unverifiable"


def signed(
    server: Cluster, *, key_kind: tuple[str, ...] = CURVE, digest: str = "sha256", name: str = "IP:127.0.0.1"
) -> Path:
    """Give the server a certificate that a CA of ours has signed; the CA's own."""
    folder = server.workshop.folder
    ca_key, ca = folder / "ca.key", folder / "ca.crt"
    key, request, certificate = (folder / f"server.{end}" for end in ("key", "csr", "crt"))
    new = ("req", "-nodes", "-sha256", "-newkey")
    if not ca.exists():
        openssl(folder, *new, *CURVE, "-x509", "-days", "30", "-subj", "/CN=Test CA", "-keyout", ca_key, "-out", ca)
    (folder / "name").write_text(f"subjectAltName={name}\n")
    openssl(folder, *new, *key_kind, "-subj", "/CN=db", "-keyout", key, "-out", request)
    openssl(
        folder,
        *("x509", "-req", f"-{digest}", "-days", "90", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial"),
        *("-extfile", "name", "-out", certificate),
    )
    key.chmod(0o600)
    server.give(key)
    server.give(certificate)
    server.configure({"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)})
    server.restart()
    return ca


def refused(server: Cluster, ca: Path) -> str | None:
    """What a service would say that trusts this CA; the auditor itself would not come in by it, where it is wrong."""
    dsn = server.dsn(sslmode="verify-full", sslrootcert=str(ca))
    declared = Profile.model_validate({"name": "test", "services": {"app": {"dsn": dsn}}})
    outcome = ask(VERIFIED, server.dsn(sslmode="require"), profile=declared)
    assert isinstance(outcome, Examined), outcome
    (only,) = outcome.observations
    said = only.evidence["refused"]
    assert only.ok is (said is None)
    return None if said is None else str(said)


def test_chain_name_key_and_signature_as_a_client_verifies_them(server: Cluster, monkeypatch: pytest.MonkeyPatch):
    """The server's own OpenSSL would refuse a weak key; it is told to take it, ours is not."""
    ca = signed(server)
    assert refused(server, ca) is None
    assert found(ask(VERIFIED, server.dsn(sslmode="verify-full", sslrootcert=str(ca)))) == set()
    by_name = ask(VERIFIED, server.dsn(sslmode="verify-ca", sslrootcert=str(ca), host="localhost"))
    assert found(by_name) == {f"localhost:{server.port}"}, "the auditor's own, which looks at the CA alone"
    gone = Profile.model_validate(
        {"name": "test", "services": {"app": {"dsn": server.dsn(sslmode="verify-full", sslrootcert="none.crt")}}}
    )
    assert isinstance(ask(VERIFIED, server.dsn(), profile=gone), Unknown)
    unnamed = ask(VERIFIED, server.dsn(sslmode="require"))
    assert isinstance(unnamed, Unknown)
    assert unnamed.reason is Reason.NOT_CONFIGURED
    own = Profile.model_validate(
        {
            "name": "test",
            "services": {
                "good": {"dsn": server.dsn(sslmode="verify-full", sslrootcert=str(ca))},
                "named": {"dsn": server.dsn(sslmode="verify-full", sslrootcert=str(ca), host="localhost")},
                "trusting": {"dsn": server.dsn(sslmode="require")},
                "socket": {"dsn": "host=/run/postgresql dbname=a"},
            },
        }
    )
    assert found(ask(VERIFIED, server.dsn(), profile=own)) == {"named"}, "the certificate is an address's"
    assert found(ask("security/client-not-verifying", server.dsn(), profile=own)) == {"trusting"}
    own.services["trusting"] = own.services["trusting"].model_copy(
        update={"dsn": SecretStr(server.dsn(sslmode="verify-full"))}
    )
    del own.services["named"]
    unseen = ask(VERIFIED, server.dsn(sslmode="require"), profile=own)
    assert isinstance(unseen, Unknown), "by which roots it verifies is not said"
    assert [(u.subject, u.reason) for u in unseen.unseen] == [("trusting", Reason.NOT_CONFIGURED)]
    undeclared = Profile.model_validate({"name": "test", "services": {"app": {}}})
    assert isinstance(ask("security/client-not-verifying", server.dsn(), profile=undeclared), Unknown)
    show(server, day(-1), day(90))
    assert refused(server, ca) == "self-signed certificate"
    assert "mismatch" in str(refused(server, signed(server, name="DNS:db.example")))
    lax = server.workshop.folder / "openssl.cnf"
    lax.write_text(
        "openssl_conf = c\n[c]\nssl_conf = s\n[s]\nsystem_default = d\n[d]\nCipherString = DEFAULT:@SECLEVEL=0\n"
    )
    server.give(lax)
    monkeypatch.setenv("OPENSSL_CONF", str(lax))
    assert "too weak" in str(refused(server, signed(server, digest="sha1")))
    assert "too weak" in str(refused(server, signed(server, key_kind=("rsa:1024",))))
    weak = ask(CHECK, server.dsn(sslmode="require"))
    assert isinstance(weak, Examined)
    assert "too weak" in str(weak.observations[0].evidence["refused"])
