"""Does the server let a client in without TLS? Asked by trying, without sending a secret."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import psycopg
from psycopg import conninfo

from readiness.authoring import Unobservable
from readiness.facts.postgres import APPLICATION_NAME, CONNECT_SECONDS, Address, Postgres, classify_connect
from readiness.facts.server import Server
from readiness.facts.target import Target
from readiness.model import Reason, quote_ident


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to open a session without TLS.

    Args:
        admitted: the server went on in the clear: it let us in, or asked for a password.
        reply: what it said.
    """

    role: str
    admitted: bool
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaintextAttempts:
    """The answer for our own role and for each service's: rules are by role and database.

    A proxy that ends TLS before Postgres answers for itself, which is what a client meets.
    """

    address: str
    attempts: tuple[Attempt, ...]

    @classmethod
    def take(cls, postgres: Postgres, server: Server, target: Target) -> Self:
        address = postgres.address
        if address.host.startswith(("/", "@")) or address.host == "local socket":
            raise Unobservable(
                Reason.NOT_OBSERVABLE,
                "the audit came through a Unix socket, where TLS does not apply",
                "audit over TCP, by the address that the services use (host=...)",
            )
        roles = dict.fromkeys([server.role, *(s.role for s in target.profile.services.values() if s.role)])
        with tempfile.NamedTemporaryFile(prefix="readiness-empty-") as empty:
            attempts = tuple(_attempt(postgres.whereabouts, str(role), empty.name, address) for role in roles)
        return cls(address=str(address), attempts=attempts)


def _attempt(whereabouts: Mapping[str, str], role: str, empty_passfile: str, address: Address) -> Attempt:
    # No password goes with this: asking for one is proof enough that the server would have gone on in the clear, and
    # ours must not travel there. What is given, be it empty, goes before the environment and the service file; an empty
    # passfile keeps libpq from finding a password by itself.
    tried = {
        **whereabouts,
        "user": role,
        "password": "",
        "passfile": empty_passfile,
        "require_auth": "",
        "sslmode": "disable",
        "gssencmode": "disable",
        "connect_timeout": str(CONNECT_SECONDS),
        "application_name": APPLICATION_NAME,
    }
    try:
        psycopg.connect(conninfo.make_conninfo("", **tried)).close()
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        if "no pg_hba.conf entry" in said or "pg_hba.conf rejects" in said:
            return Attempt(
                role=quote_ident(role), admitted=False, reply="refused: no rule lets this role in without TLS"
            )
        if (error.pgconn is not None and error.pgconn.needs_password) or "no password supplied" in said:
            return Attempt(role=quote_ident(role), admitted=True, reply="asked for a password, in the clear")
        if "requires TLS" in said or "SSL required" in said or "SSL/TLS required" in said or "insecure" in said.lower():
            return Attempt(role=quote_ident(role), admitted=False, reply="refused: TLS is required")
        refused_by_method = (
            "authentication method requirement",
            "authentication failed",
            "does not exist",
            "certificate",
        )
        if any(words in said for words in refused_by_method):
            # The rule let the plaintext session as far as authentication.
            return Attempt(role=quote_ident(role), admitted=True, reply="went on to authenticate, in the clear")
        refusal = classify_connect(error, address)
        raise Unobservable(Reason.UNREACHABLE, f"no answer to a plaintext session: {refusal.detail}") from error
    return Attempt(role=quote_ident(role), admitted=True, reply="let in without TLS and without a password")
