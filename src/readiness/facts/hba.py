"""pg_hba.conf as the server reads it: who may come in from where, over what, and how they prove who they are.

The first line that matches decides (https://www.postgresql.org/docs/current/auth-pg-hba-conf.html), so that a line counts
only for what no earlier one takes. The view shows the file as it lies on the disk; the server may still go by an older one.
It doesn't tell a name in quotes ("all", for a database of that name) from the word without.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import PurePosixPath
from typing import Any, Self, TypeAlias

from readiness.authoring import Unobservable
from readiness.facts import own
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.model import Reason, quote_ident

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERYWHERE: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

# A client's name counts where it leads back to the client's address, too: nobody from elsewhere has this one.
_OWN_NAMES = ("samehost", "localhost", "localhost.localdomain")

CLEAR, TLS, GSS = "in the clear", "over TLS", "over GSSAPI"
_OVER: Mapping[str, frozenset[str]] = {
    "local": frozenset(),
    "host": frozenset({CLEAR, TLS, GSS}),
    "hostssl": frozenset({TLS}),
    "hostnossl": frozenset({CLEAR, GSS}),
    "hostgssenc": frozenset({GSS}),
    "hostnogssenc": frozenset({CLEAR, TLS}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line.

    Args:
        place: file and line: `pg_hba.conf:97`.
        kind: local, host, hostssl, hostnossl, hostgssenc, hostnogssenc.
        addresses: the networks that it matches, or one word of its own (samehost, samenet, a host name); empty for local.
        address: the same, as the line has it.
        proved: the client must have a certificate of the role's own, whatever the method asks for (clientcert=verify-full).
        never: why no session can ever meet it, where the server says so itself: hostssl on a server without TLS.
    """

    place: str
    kind: str
    databases: tuple[str, ...]
    users: tuple[str, ...]
    addresses: tuple[Network | str, ...]
    address: str
    method: str
    proved: bool = False
    never: str | None = None

    @property
    def text(self) -> str:
        """The line without its options, which may hold secrets."""
        parts = (self.kind, ",".join(self.databases), ",".join(self.users), self.address, self.method)
        return " ".join(part for part in parts if part)

    @property
    def over(self) -> frozenset[str]:
        """What a session comes over: in the clear, over TLS, over GSSAPI's encryption; nothing for local lines."""
        return frozenset() if self.never else _OVER.get(self.kind, frozenset())

    @property
    def from_elsewhere(self) -> tuple[Network | str, ...]:
        """The addresses that are not the server's own host."""
        return tuple(a for a in self.addresses if not _is_own(a) and not _within(a, _LOOPBACK))

    def takes(self, over: str, database: str, user: frozenset[str], role: str | None = None) -> bool:
        """Whether every session of this kind from its addresses would match this line.

        Args:
            user: what names its role in a line.
            role: the role itself, where it is one.
        """
        return (
            over in self.over
            # `all` doesn't stand for physical replication
            and (database in self.databases or ("all" in self.databases and database != "replication"))
            and (
                not user.isdisjoint(self.users)
                or "all" in self.users
                or (role is not None and _by_pattern(self.users, role, surely=True))
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRules:
    """The lines in their order.

    Args:
        rules: those that the server could read.
        errors: place -> what is wrong there; with one of them, the server keeps the rules that it had.
        listen: `listen_addresses`.
        changed: whether the file, or one that it includes, was written after the server last loaded them; None where that
            can't be told.
    """

    rules: tuple[Rule, ...]
    errors: Mapping[str, str]
    listen: str
    changed: bool | None

    @classmethod
    def take(cls, postgres: Postgres, server: Server) -> Self:
        try:
            rows = postgres.rows(_LINES_16 if server.major >= 16 else _LINES, marker="connection-rules")
        except Unobservable as unseen:
            if unseen.reason is not Reason.NO_PERMISSION:
                raise
            role = quote_ident(server.role)
            raise Unobservable(
                Reason.NO_PERMISSION,
                "the role may not read pg_hba_file_rules",
                f"grant execute on function pg_catalog.pg_hba_file_rules() to {role}; "
                f"grant select on pg_catalog.pg_hba_file_rules to {role};",
            ) from unseen
        changed = None
        with contextlib.suppress(
            Unobservable
        ):  # only who may read the server's files is told, or whom our helper tells
            told = own.vouched_for(postgres, HELPER, marker="connection-rules")
            (row,) = postgres.rows(
                f"select {HELPER}() as changed" if told else f"select {CHANGED} as changed", marker="connection-rules"
            )
            changed = row["changed"]
        (row,) = postgres.rows(
            "select pg_catalog.current_setting('listen_addresses') as listen", marker="connection-rules"
        )
        placed = list(zip(rows, _places(rows), strict=True))
        return cls(
            rules=tuple(_rule(r, place) for r, place in placed if r["kind"]),
            errors={place: r["error"] for r, place in placed if not r["kind"]},
            listen=row["listen"],
            changed=changed,
        )

    def in_force(self) -> tuple[Rule, ...]:
        """The lines, if they are what the server goes by.

        Raises:
            Unobservable: they aren't.
        """
        if self.errors:
            place, error = next(iter(self.errors.items()))
            raise Unobservable(
                Reason.NOT_OBSERVABLE,
                f"{place}: {error}; the server keeps the rules that it had, and they can't be seen",
                "mend the line, then: select pg_reload_conf();",
            )
        if self.changed:
            raise Unobservable(
                Reason.STALE,
                "pg_hba.conf, or a file that it includes, was written after the server last loaded it; what is in force can't be seen",
                "select pg_reload_conf();",
            )
        return self.rules

    @property
    def listens_elsewhere(self) -> bool:
        """Whether a client on another host can reach the server's port at all."""
        names = [name.strip() for name in self.listen.split(",")]
        return any(name not in ("", "localhost", "::1") and not name.startswith("127.") for name in names)

    def met(
        self,
        rule: Rule,
        *,
        over: Iterable[str] = (CLEAR, TLS, GSS),
        role: str | None = None,
        groups: Iterable[str] = (),
        from_host: bool = False,
    ) -> bool:
        """Whether some session can meet this line: no earlier one takes all that it matches.

        Args:
            over: what the session comes over.
            role: of this role alone, a member of `groups`.
            from_host: from the server's own host too, over TCP; else from elsewhere only.
        """
        if not from_host and not self.listens_elsewhere:
            return False
        users = [frozenset({user}) for user in rule.users]
        if role is not None:
            named = frozenset({role, *(f"+{group}" for group in groups)})
            if not ("all" in rule.users or not named.isdisjoint(rule.users) or _by_pattern(rule.users, role)):
                return False
            users = [named]
        before = self.rules[: self.rules.index(rule)]
        addresses = rule.addresses if from_host else rule.from_elsewhere
        sessions = product(rule.over & set(over), rule.databases, users, addresses)
        return any(
            not _within(
                address, [a for rule in before if rule.takes(kind, database, user, role) for a in rule.addresses]
            )
            for kind, database, user, address in sessions
        )


def _by_pattern(users: Iterable[str], role: str, *, surely: bool = False) -> bool:
    """Whether a user's field that is a regular expression (PostgreSQL 16) matches; one that can't be read here may.

    Args:
        surely: only what PostgreSQL's and Python's expressions mean alike counts.
    """
    for pattern in (user[1:] for user in users if user.startswith("/")):
        if surely and not _ALIKE.fullmatch(pattern):
            continue
        try:
            if re.search(pattern, role):
                return True
        except re.error:
            return not surely
    return False


_ALIKE = re.compile(r"\^?(?:[\w-]|\.\*?)*\$?")
"""A beginning, an end, letters and anything between."""


def _is_own(address: Network | str) -> bool:
    """Whether it is the server's own host by a word."""
    return isinstance(address, str) and address.lower() in _OWN_NAMES


def is_everywhere(address: Network | str) -> bool:
    """Whether a network is so wide that it stands for the world: more than a 256th of IPv4, or a 65,536th of IPv6."""
    return not isinstance(address, str) and address.prefixlen < (8 if address.version == 4 else 16)


def _within(address: Network | str, others: Iterable[Network | str]) -> bool:
    """Whether these take all of a network together; a word lies in itself, and in everything."""
    others = list(others)
    if isinstance(address, str):
        return address in others or all(_within(every, others) for every in EVERYWHERE)
    if isinstance(address, ipaddress.IPv4Network):
        joined = ipaddress.collapse_addresses(o for o in others if isinstance(o, ipaddress.IPv4Network))
        return any(address.subnet_of(o) for o in joined)
    wide = ipaddress.collapse_addresses(o for o in others if isinstance(o, ipaddress.IPv6Network))
    return any(address.subnet_of(o) for o in wide)


def _places(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """File and line of each; of two files of one name (include), with the folders by which they differ."""
    files = {PurePosixPath(row["file"]) for row in rows}

    def shown(file: PurePosixPath) -> str:
        for parts in range(1, len(file.parts)):
            if not any(other != file and other.parts[-parts:] == file.parts[-parts:] for other in files):
                return "/".join(file.parts[-parts:])
        return str(file)

    names = {file: shown(file) for file in files}
    return [f"{names[PurePosixPath(row['file'])]}:{row['line']}" for row in rows]


def _rule(row: Mapping[str, Any], place: str) -> Rule:
    address, mask = row["address"], row["netmask"]
    addresses: tuple[Network | str, ...] = ()
    if address == "all":
        addresses = EVERYWHERE
    elif address and mask:
        bits = ipaddress.ip_address(mask)
        width = int(bits).bit_count()
        addresses = (ipaddress.ip_network(f"{address}/{width}", strict=False),)
        address = str(addresses[0])
    elif address:
        addresses = (address,)
    return Rule(
        place=place,
        kind=row["kind"],
        databases=tuple(row["databases"]),
        users=tuple(row["users"]),
        addresses=addresses,
        address=address or "",
        method=row["method"],
        proved=row["proved"],
        never=row["error"],
    )


_COLUMNS = """
    r.line_number as line,
    r.type as kind,
    r.database as databases,
    r.user_name as users,
    r.address,
    r.netmask,
    r.auth_method as method,
    coalesce('clientcert=verify-full' = any (r.options), false) as proved,
    r.error
from pg_catalog.pg_hba_file_rules as r
"""
_LINES = f"select 'pg_hba.conf' as file, {_COLUMNS} order by r.line_number"
_LINES_16 = f"select r.file_name as file, {_COLUMNS} order by r.rule_number nulls last, r.line_number"

# A function of the auditor's schema that a superuser made for us (`readiness role-sql --tier 2`).
HELPER = "readiness.rules_changed"
# Of the files that lines come from, which servers before 16 don't name: there is one. One that was put there with a time
# of its own (rsync, cp -p) still changed then.
CHANGED = """(
    select pg_catalog.bool_or(greatest(s.modification, s.change) > pg_catalog.pg_conf_load_time())
    from (
        select pg_catalog.current_setting('hba_file') as name
        union
        select pg_catalog.to_jsonb(r) ->> 'file_name' from pg_catalog.pg_hba_file_rules as r
    ) as f
    cross join lateral pg_catalog.pg_stat_file(f.name, true) as s
    where f.name is not null
)"""
