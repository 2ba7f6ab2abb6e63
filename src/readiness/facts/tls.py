"""Does the server let a client in without TLS, and what does it show with it? Asked by trying, without sending a secret."""

from __future__ import annotations

import socket
import ssl
import struct
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self, TypeAlias

import psycopg
from psycopg import conninfo
from pydantic import SecretStr

from readiness.authoring import Unobservable
from readiness.facts.hba import CLEAR, TLS, ConnectionRules
from readiness.facts.postgres import (
    APPLICATION_NAME,
    CONNECT_SECONDS,
    Address,
    Postgres,
    classify_connect,
    parse_dsn,
)
from readiness.facts.roles import groups
from readiness.facts.server import Server
from readiness.facts.target import Target
from readiness.model import Reason, Unseen, quote_ident


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to open a session without TLS.

    Args:
        address: where it was tried.
        admitted: the server went on in the clear: it let us in, or asked for a password. None where nobody answered.
        reply: what it said.
        of_this_host: whether only a client on the server's own host is let in so, and those from elsewhere come by TLS
            alone, by the rules; None where that can't be told.
    """

    role: str
    address: str
    admitted: bool | None
    reply: str
    of_this_host: bool | None = False


def behind_a_pooler(server: Server, address: str) -> tuple[Unseen, ...]:
    """What TLS can't be asked about through a pooler, since it ends there: the server. What the pooler says stands for itself."""
    if not server.pooled:
        return ()
    return (
        Unseen(
            subject=f"the server behind {address}",
            reason=Reason.NOT_OBSERVABLE,
            detail="a pooler answers at this address; how the server behind it takes clients was not looked at",
            unlock="audit over the server's own address",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaintextAttempts:
    """The answers for our own role and for each service's, since rules are by role and database; and at each address.

    A name may have several addresses, a connection string several names, and a service one of its own: a line of
    pg_hba.conf, or a listener, may differ between them. A proxy that ends TLS before Postgres answers for itself, which is
    what a client meets; of the server behind a pooler that says nothing. An audit from the server's own host meets the
    lines for that host; then the rules say what a client from elsewhere would.

    Args:
        address: the one by which the audit came.
    """

    address: str
    attempts: tuple[Attempt, ...]

    @classmethod
    def take(cls, postgres: Postgres, server: Server, target: Target) -> Self:
        reach, _ = _reached(postgres)
        roles = list(map(str, dict.fromkeys([server.role, *_roles(target)])))
        ours = [_Way(reach=reach, where=postgres.whereabouts), *_further(postgres.spoken, postgres.whereabouts)]
        ways = [(way, roles) for way in ours]
        for name, service in target.profile.services.items():
            if service.dsn and service.role:
                further = _further(_parameters(name, service.dsn), {"dbname": postgres.address.database})
                # from one process of a host to another nobody sits between
                ways += [(way, [service.role]) for way in further if not _is_loopback(way.reach[0])]
        tried: dict[tuple[str, tuple[str, int]], Attempt] = {}
        silent: dict[tuple[str, int], Attempt] = {}  # waited for once, not for each role
        with tempfile.NamedTemporaryFile(prefix="readiness-empty-") as empty:
            for way, whose in ways:
                for role in whose:
                    if (role, way.reach) in tried:
                        continue
                    if way.reach in silent:
                        found = replace(silent[way.reach], role=quote_ident(role))
                    else:
                        found = _attempt(way, role, empty.name, first=way is ours[0])
                    tried[role, way.reach] = found
                    if found.admitted is None:
                        silent[way.reach] = found
        if any(a.admitted for a in tried.values()) and _on_its_own_host(postgres, server):
            told = dict(zip(roles, _of_this_host(postgres, server, roles), strict=True))
            # at another port another server answers, of which these rules say nothing
            here = {way.reach for way in ours if _is_loopback(way.reach[0]) and way.reach[1] == reach[1]}
            for (role, at), attempt in tried.items():
                if attempt.admitted and at in here:
                    tried[role, at] = replace(attempt, of_this_host=told[role])
        return cls(address=str(postgres.address), attempts=tuple(tried.values()))


@dataclass(frozen=True, slots=True)
class _Way:
    """An address and port, and what libpq wants to go there: host, hostaddr, port, dbname."""

    reach: tuple[str, int]
    where: Mapping[str, str]

    def __str__(self) -> str:
        host, port = self.reach
        name = self.where.get("host", host)
        return f"{name}:{port}" if name == host else f"{name} ({host}):{port}"


def _roles(target: Target) -> list[str]:
    return [s.role for s in target.profile.services.values() if s.role]


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")


def _further(spoken: Mapping[str, str], others: Mapping[str, str]) -> list[_Way]:
    """Every address that a connection string leads to, each of its names by all that it resolves to.

    What doesn't resolve is left as it is: the attempt says why.
    """
    hosts, addresses, ports = (spoken.get(key, "").split(",") for key in ("host", "hostaddr", "port"))
    ways = []
    for at in range(max(len(hosts), len(addresses))):
        host = hosts[at] if at < len(hosts) else ""
        address = addresses[at] if at < len(addresses) else ""
        port = (ports[at] if at < len(ports) else ports[0]) or "5432"
        if host.startswith(("/", "@")) or not (host or address):
            continue
        found = [address]
        if not address:
            with suppress(OSError, UnicodeError):
                found = [str(to[0]) for *_, to in socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)]
        database = spoken.get("dbname") or others.get("dbname", "")
        ways += [
            _Way(
                reach=(one or host, int(port)),
                where={"host": host or one, "port": port, "dbname": database, **({"hostaddr": one} if one else {})},
            )
            for one in dict.fromkeys(found)
        ]
    return ways


def _on_its_own_host(postgres: Postgres, server: Server) -> bool:
    """Whether our session comes from the server's own host, and it offers TLS at all."""
    where = postgres.whereabouts
    (row,) = postgres.rows(
        "select pg_catalog.host(pg_catalog.inet_client_addr()) as client, pg_catalog.current_setting('ssl') as ssl",
        marker="plaintext",
    )
    ends = (where.get("hostaddr") or where.get("host") or "", row["client"] or "")
    return row["ssl"] == "on" and not server.pooled and all(map(_is_loopback, ends))


def _of_this_host(postgres: Postgres, server: Server, roles: list[str]) -> list[bool | None]:
    """By the rules: a client from elsewhere can come by TLS, and not without."""
    try:
        rules = ConnectionRules.take(postgres, server)
        in_force = [rule for rule in rules.in_force() if rule.method != "reject"]
        of = groups(postgres, roles, marker="plaintext")
    except Unobservable:
        return [None] * len(roles)

    def reaches(role: str, over: str) -> bool:
        return any(rules.met(rule, over=(over,), role=role, groups=of.get(role, ())) for rule in in_force)

    return [reaches(role, TLS) and not reaches(role, CLEAR) for role in roles]


def _attempt(way: _Way, role: str, empty_passfile: str, *, first: bool) -> Attempt:
    """One attempt.

    Raises:
        Unobservable: nobody answers where the audit itself came in.
    """
    # No password goes with this: asking for one is proof enough that the server would have gone on in the clear, and
    # ours must not travel there. What is given, be it empty, goes before the environment and the service file; an empty
    # passfile keeps libpq from finding a password by itself.
    tried = {
        **way.where,
        "user": role,
        "password": "",
        "passfile": empty_passfile,
        "require_auth": "",
        "sslmode": "disable",
        "gssencmode": "disable",
        "connect_timeout": str(CONNECT_SECONDS),
        "application_name": APPLICATION_NAME,
    }

    def answered(*, admitted: bool | None, reply: str) -> Attempt:
        return Attempt(role=quote_ident(role), address=str(way), admitted=admitted, reply=reply)

    try:
        psycopg.connect(conninfo.make_conninfo("", **tried)).close()
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        if "no pg_hba.conf entry" in said or "pg_hba.conf rejects" in said:
            return answered(admitted=False, reply="refused: no rule lets this role in without TLS")
        if (error.pgconn is not None and error.pgconn.needs_password) or "no password supplied" in said:
            return answered(admitted=True, reply="asked for a password, in the clear")
        if "requires TLS" in said or "SSL required" in said or "SSL/TLS required" in said or "insecure" in said.lower():
            return answered(admitted=False, reply="refused: TLS is required")
        refused_by_method = (
            "authentication method requirement",
            "authentication failed",
            "does not exist",
            "certificate",
        )
        if any(words in said for words in refused_by_method):
            # The rule let the plaintext session as far as authentication.
            return answered(admitted=True, reply="went on to authenticate, in the clear")
        refusal = classify_connect(error, Address(way.reach[0], str(way.reach[1]), way.where["dbname"], role))
        if first:
            raise Unobservable(Reason.UNREACHABLE, f"no answer to a plaintext session: {refusal.detail}") from error
        if "Connection refused" in said:
            return answered(admitted=False, reply="refused: nobody listens there")
        return answered(admitted=None, reply=refusal.detail)
    return answered(admitted=True, reply="let in without TLS and without a password")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """The certificate that the server shows whoever asks for TLS; no role or password is needed for that.

    Args:
        ends: when it, or an issuer's that is sent with it, stops to be valid (UTC); None where its own has ended already.
        ends_first: whose certificate that is, where it is an issuer's.
        refused: what a client that trusts this very certificate would say of it all the same: it has ended, it is not yet
            valid, its key is too weak.
        for_host: whether it is made out to the host's name (or address) by which the audit came.
    """

    address: str
    ends: datetime | None
    ends_first: str | None
    refused: str | None
    for_host: bool
    version: str
    cipher: str

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        address = postgres.address
        reach, host = _reached(postgres)
        try:
            # To read a certificate that nobody vouches for, it vouches for itself.
            with _handshake(reach, host, _context(None)) as shown:
                raw = shown.getpeercert(binary_form=True)
                assert raw is not None
                sent = _authorities(shown, verified=False)
                version, cipher = shown.version() or "", (shown.cipher() or ("",))[0]
            ends, ends_first, refused = None, None, None
            trusting = _context(raw)
            try:
                with _handshake(reach, host, trusting) as believed:
                    told = believed.getpeercert()
                    assert told is not None
                    ends = _end(told)
                path = _path(told, sent)
                if any(_end(issuer) < ends for issuer in path):
                    path = _trusted(reach, host, postgres.tls_parameters.get("sslrootcert", "system")) or path
                for issuer in path:
                    if _end(issuer) < ends:
                        ends, ends_first = _end(issuer), _name(issuer)
            except ssl.SSLCertVerificationError as error:
                refused = error.verify_message
            for_host = True
            trusting.check_hostname = True
            try:
                with _handshake(reach, host, trusting):
                    pass
            except ssl.SSLCertVerificationError as error:
                for_host = error.verify_code not in _OTHER_NAME
        except OSError as error:  # ssl's own errors are such
            raise Unobservable(Reason.UNREACHABLE, f"{address}: no TLS session came about: {error}") from error
        return cls(
            address=str(address),
            ends=ends,
            ends_first=ends_first,
            refused=refused,
            for_host=for_host,
            version=version,
            cipher=cipher,
        )


_Shown: TypeAlias = Mapping[str, Any]
"""A certificate as ssl tells it: subject, issuer and notAfter."""


def _authorities(session: ssl.SSLSocket, *, verified: bool) -> list[_Shown]:
    """Certificates of the authorities that the server sends behind its own, or of those by which it was verified.

    Python shows the chain since 3.13, and before in the object below.
    """
    name = "get_verified_chain" if verified else "get_unverified_chain"
    chain: Any = session if hasattr(session, name) else session._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
    store = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for shown in (getattr(chain, name)() or ())[1:]:
        raw = shown if isinstance(shown, bytes) else ssl.PEM_cert_to_DER_cert(shown.public_bytes())
        with suppress(ssl.SSLError):
            store.load_verify_locations(cadata=raw)
    told: list[Any] = store.get_ca_certs()
    return told


def _path(certificate: _Shown, sent: Sequence[_Shown]) -> list[_Shown]:
    """From its issuer on. Of several by one name, signed by one authority and another, a client takes the one that is valid."""
    left, path = list(sent), []
    while found := [s for s in left if s["subject"] == certificate["issuer"]]:
        certificate = max(found, key=_end)
        path.append(certificate)
        left = [s for s in left if s not in found]
    return path


def _trusted(reach: tuple[str, int], host: str, roots: str) -> list[_Shown]:
    """The path by which a client with these roots comes to trust it; empty where it doesn't.

    Authorities that have roots of their own are often sent as an older one signed them, too: who knows the root needs no such.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    with suppress(OSError):  # ssl's own errors are such; a file that can't be read too
        if roots == "system":
            context.load_default_certs()
        else:
            context.load_verify_locations(roots)
        with _handshake(reach, host, context) as believed:
            return _authorities(believed, verified=True)
    return []


def _end(shown: _Shown) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)


def _name(shown: _Shown) -> str:
    return ", ".join(str(value) for part in shown["subject"] for _, value in part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How one client comes in over TLS, and what it would say of the server's certificate.

    Args:
        address: where it connects to; None where that is no TCP.
        sslmode: as libpq would take it.
        roots: what it trusts: a file, or `system`; None where nothing is named.
        refused: what is wrong with the certificate or its name, by those roots; None where it is right.
        unseen: why that could not be tried.
    """

    address: str | None
    sslmode: str
    roots: str | None
    refused: str | None = None
    unseen: str | None = None

    @property
    def verifies(self) -> bool:
        return self.sslmode in ("verify-ca", "verify-full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The auditor (under "") and each service whose connection string is declared: chain and name, verified as it would.

    Nothing but handshakes is sent.
    """

    by_name: Mapping[str, Client]

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        found = {"": _client({**postgres.tls_parameters, **postgres.whereabouts}, target)}
        for name, service in target.profile.services.items():
            if service.dsn:
                found[name] = _client(_parameters(name, service.dsn), target)
        return cls(by_name=found)


def _parameters(service: str, dsn: SecretStr) -> Mapping[str, str]:
    try:
        return parse_dsn(dsn.get_secret_value())
    except ValueError as error:
        raise Unobservable(Reason.NOT_CONFIGURED, f"services.{service}.dsn: {error}") from error


def _client(parameters: Mapping[str, str], target: Target) -> Client:
    host = (parameters.get("host") or "").split(",")[0]
    address = (parameters.get("hostaddr") or "").split(",")[0] or host
    mode = parameters.get("sslmode") or target.environment.get("PGSSLMODE") or "prefer"
    roots = parameters.get("sslrootcert") or target.environment.get("PGSSLROOTCERT")
    if not address or address.startswith(("/", "@")):
        return Client(address=None, sslmode=mode, roots=roots)
    reach = (address, int((parameters.get("port") or "5432").split(",")[0]))
    shown = f"{host or address}:{reach[1]}"
    if roots is None:
        return Client(address=shown, sslmode=mode, roots=None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers(_STRONG)
    told: dict[str, str] = {}
    try:
        if roots == "system":
            context.load_default_certs()
        else:
            context.load_verify_locations(target.path(roots))
        with _handshake(reach, host or address, context):
            pass
    except ssl.SSLCertVerificationError as error:
        told = {"refused": error.verify_message}
    except Unobservable as unseen:
        told = {"unseen": unseen.detail}
    except OSError as error:  # ssl's own errors are such; a file that can't be read too
        told = {"unseen": f"{roots}: {error.strerror or error}"}
    return Client(address=shown, sslmode=mode, roots=roots, **told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One attempt to come to a TLS session, with one version or one kind of ciphers alone.

    Args:
        accepted: whether it came about; None where that can't be told.
        reply: the cipher that was agreed on, what the server said, or why it could not be tried.
    """

    accepted: bool | None
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsTrials:
    """What a client that insists on an old version, or on worthless ciphers, gets. Nothing but handshakes is sent.

    The server's settings say what it would take; this says what whoever answers at the address takes, its OpenSSL's own
    limits and a proxy's included.

    Args:
        versions: TLSv1 to TLSv1.3.
        ciphers: kind -> trial: those that prove nobody's identity, and those that encrypt nothing.
    """

    address: str
    versions: Mapping[str, Trial]
    ciphers: Mapping[str, Trial]

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        reach, host = _reached(postgres)
        versions = {name: _trial(reach, host, _insisting(version)) for name, version in _VERSIONS.items()}
        ciphers = {
            name: _trial(reach, host, _insisting(ssl.TLSVersion.TLSv1_2, of_kind))
            for name, of_kind in _WORTHLESS.items()
        }
        return cls(address=str(postgres.address), versions=versions, ciphers=ciphers)


_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_WORTHLESS = {"anonymous ciphers": "aNULL", "ciphers that don't encrypt": "eNULL"}
_WHATEVER_WE_CAN = "ALL:eNULL:@SECLEVEL=0"  # OpenSSL's default level leaves out what is to be tried


def _insisting(version: ssl.TLSVersion, of_kind: str = "") -> ssl.SSLContext | str:
    """A context that speaks this alone; or why the local OpenSSL can't."""
    context = _context(None)
    try:
        context.set_ciphers(f"{of_kind}:@SECLEVEL=0" if of_kind else _WHATEVER_WE_CAN)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that they are outdated is why they are tried
            context.minimum_version = context.maximum_version = version
    except (ssl.SSLError, ValueError) as error:
        return f"the auditor's {ssl.OPENSSL_VERSION} can't try it: {getattr(error, 'reason', None) or error}"
    return context


def _trial(reach: tuple[str, int], host: str, context: ssl.SSLContext | str) -> Trial:
    if isinstance(context, str):
        return Trial(accepted=None, reply=context)
    try:
        with _handshake(reach, host, context) as agreed:
            return Trial(accepted=True, reply=(agreed.cipher() or ("",))[0])
    except ssl.SSLError as error:
        # An alert is the server's own word; any other failure may be our library's, which then has not asked.
        said = error.reason or str(error)
        if said in _REFUSALS:
            return Trial(accepted=False, reply=f"refused: {said.lower().replace('_', ' ')}")
        return Trial(accepted=None, reply=f"no session and no refusal: {said.lower().replace('_', ' ')}")
    except OSError as error:
        return Trial(accepted=None, reply=f"no session and no refusal: {error}")


# RFC 5246, 7.2.2: protocol_version(70), handshake_failure(40), insufficient_security(71); internal_error(80) is what
# OpenSSL says where its own level leaves it no signature for a version that its settings would take.
_REFUSALS = frozenset(
    {
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "TLSV1_ALERT_INTERNAL_ERROR",
    }
)

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # "SSLRequest" of the frontend/backend protocol
# OpenSSL's level 2, whatever its own default: keys of RSA from 2048 bits on, no signature by SHA-1 (SSL_CTX_set_security_level).
_STRONG = "DEFAULT:@SECLEVEL=2"
_OTHER_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


def _reached(postgres: Postgres) -> tuple[tuple[str, int], str]:
    """Address and port by which the audit came, and the host's name as it was given.

    Raises:
        Unobservable: it came through a Unix socket.
    """
    host = postgres.address.host
    if host.startswith(("/", "@")) or host == "local socket":
        raise Unobservable(
            Reason.NOT_OBSERVABLE,
            "the audit came through a Unix socket, where TLS does not apply",
            "audit over TCP, by the address that the services use (host=...)",
        )
    where = postgres.whereabouts
    reach = (where.get("hostaddr") or where["host"], int(where["port"]))
    return reach, where.get("host") or reach[0]


def _context(trusted: bytes | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if trusted is None:
        context.verify_mode = ssl.CERT_NONE  # it is only looked at, and nothing is sent
    else:
        context.load_verify_locations(cadata=trusted)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.set_ciphers(_STRONG)
    return context


@contextmanager
def _handshake(reach: tuple[str, int], host: str, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """TLS as Postgres starts it.

    Raises:
        Unobservable: the server offers none.
        OSError: no session came about, or the certificate was refused.
    """
    with socket.create_connection(reach, timeout=CONNECT_SECONDS) as plain:
        plain.sendall(_SSL_REQUEST)
        if plain.recv(1) != b"S":
            raise Unobservable(
                Reason.NOT_OBSERVABLE, "the server offers no TLS, and so shows no certificate", "ssl = on"
            )
        with context.wrap_socket(plain, server_hostname=host) as secured:
            yield secured
