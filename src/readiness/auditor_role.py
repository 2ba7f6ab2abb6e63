"""The script that makes the auditor's role, tier by tier: what each lets it see, and nothing that lets it change a row.

Plain SQL that can run again; statements proved on PostgreSQL 13 to 18.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from readiness.facts import hba, own
from readiness.facts.bookkeeping import BOOKKEEPING_TABLES
from readiness.facts.passwords import HELPER, KIND
from readiness.model import quote_ident, quote_literal

DEFAULT_ROLE = "readiness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One step of what the role may see.

    Args:
        needs: what checks say that they need (`CheckInfo.needs`) and this tier gives.
    """

    number: int
    title: str
    sees: str
    needs: frozenset[str]


TIERS: tuple[Tier, ...] = (
    Tier(
        number=1,
        title="catalog and statistics",
        sees="schema, settings, statistics, sessions and their TLS, archiving, replication; no row of any table",
        needs=frozenset({"pg_monitor"}),
    ),
    Tier(
        number=2,
        title="connection rules and password kinds",
        sees="pg_hba.conf as the server reads it, whether it was loaded since, and which kind of hash each password is kept as, never the hash; "
        "granting this takes a superuser",
        needs=frozenset({"select pg_hba_file_rules", "select role_password_kinds"}),
    ),
    Tier(
        number=3,
        title="migration history",
        sees="which migrations were applied: the frameworks' own tables, found by name",
        needs=frozenset({"select migration history"}),
    ),
    Tier(
        number=4,
        title="rows",
        sees="rows of the application's tables, for what text columns hold and for the critical queries' latency",
        needs=frozenset({"select application tables"}),
    ),
    Tier(
        number=5,
        title="every tenant's rows",
        sees="tables with row level security, which would otherwise refuse the critical queries; granting this takes a "
        "superuser",
        needs=frozenset({"bypass row level security"}),
    ),
)
DEFAULT_TIER = 4


def script(
    *,
    role: str = DEFAULT_ROLE,
    database: str | None = None,
    schemas: Sequence[str] = (),
    tier: int = DEFAULT_TIER,
    points: Mapping[int, float] | None = None,
) -> str:
    """The script up to a tier.

    Args:
        database: where CONNECT is granted; None leaves the statement as a comment.
        schemas: the application's; empty means all that there are.
        points: tier number -> the points that hang on it, for the comments.
    """
    parts = [_head(role, database)]
    for t in TIERS[:tier]:
        hang = f"; {points[t.number]:.1f} points hang on it" if points and t.number in points else ""
        parts.append(f"-- Tier {t.number}, {t.title}: {t.sees}{hang}.\n" + _BODIES[t.number](role, schemas))
    return "\n".join(parts)


def _head(role: str, database: str | None) -> str:
    name = quote_ident(role)
    connect = f"grant connect on database {quote_ident(database) if database else 'NAME'} to {name};"
    return f"""\
-- The auditor's role: it looks, and changes nothing. Run this in the audited database, as a superuser or an owner of
-- the rights that are granted. Then give it a password (psql: \\password {name}) or a certificate.
do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = {quote_literal(role)}) then
        create role {name} login connection limit 3;
    end if;
end
$$;
alter role {name} set default_transaction_read_only = on;
alter role {name} set statement_timeout = '10s';
alter role {name} set lock_timeout = '100ms';
alter role {name} set idle_in_transaction_session_timeout = '30s';
{"" if database else "-- where PUBLIC may not connect: "}{connect}
"""


def _statistics(role: str, _schemas: Sequence[str]) -> str:
    return f"grant pg_monitor to {quote_ident(role)};\n"


def _rules(role: str, _schemas: Sequence[str]) -> str:
    name = quote_ident(role)
    return f"""\
grant execute on function pg_catalog.pg_hba_file_rules() to {name};
grant select on pg_catalog.pg_hba_file_rules to {name};
{own.MAKE}create or replace function {hba.HELPER}() returns bool
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
select {hba.CHANGED}
$$;
revoke all on function {hba.HELPER}() from public;
create or replace function {HELPER}() returns table (rolname name, kind text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
select a.rolname, {KIND}
from pg_catalog.pg_authid as a
where a.rolcanlogin
$$;
revoke all on function {HELPER}() from public;
grant usage on schema readiness to {name};
grant execute on function {hba.HELPER}(), {HELPER}() to {name};
"""


def _history(role: str, _schemas: Sequence[str]) -> str:
    names = ",\n            ".join(quote_literal(t) for t in sorted(BOOKKEEPING_TABLES))
    return f"""\
do $$
declare
    history record;
begin
    for history in
        select ns.nspname, c.relname
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
        where c.relkind in ('r', 'p') and c.relpersistence <> 't' and c.relname in (
            {names}
        )
    loop
        execute pg_catalog.format('grant usage on schema %I to {quote_ident(role)}', history.nspname);
        execute pg_catalog.format(
            'grant select on %I.%I to {quote_ident(role)}', history.nspname, history.relname
        );
    end loop;
end
$$;
"""


def _rows(role: str, schemas: Sequence[str]) -> str:
    name = quote_ident(role)
    if not schemas:
        return f"grant pg_read_all_data to {name}; -- PostgreSQL 14 and later; before, grant select schema by schema\n"
    return "".join(
        f"grant usage on schema {quote_ident(s)} to {name};\n"
        f"grant select on all tables in schema {quote_ident(s)} to {name};\n"
        f"grant select on all sequences in schema {quote_ident(s)} to {name};\n"
        for s in schemas
    )


def _tenants(role: str, _schemas: Sequence[str]) -> str:
    return f"alter role {quote_ident(role)} bypassrls;\n"


_BODIES = {1: _statistics, 2: _rules, 3: _history, 4: _rows, 5: _tenants}
