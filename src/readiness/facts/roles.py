"""The Postgres roles of the declared services, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from readiness.facts.postgres import Postgres
from readiness.facts.target import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRole:
    """A role, by itself and through its memberships.

    Args:
        powers: superuser, createrole, createdb, replication, bypassrls, and dangerous predefined roles.
        owns: quoted tables that it, or a role whose rights it has, owns (the first few).
        owned: how many those are.
        creates_in: quoted schemas (and the database) where it may create objects.
        sessions: client sessions in this database now.
        calls: statements counted under it by pg_stat_statements; None where that can't be seen.
    """

    quoted: str
    can_login: bool
    powers: tuple[str, ...]
    owns: tuple[str, ...]
    owned: int
    creates_in: tuple[str, ...]
    sessions: int


@dataclass(frozen=True, slots=True)
class ServiceRoles:
    """Role name -> the role, of those that the services name; one that doesn't exist is not among them."""

    by_name: Mapping[str, ServiceRole]

    @classmethod
    def take(cls, postgres: Postgres, services: Services) -> Self:
        names = sorted({s.role for s in services.by_name.values() if s.role})
        rows = postgres.rows(_ROLES, (names,), marker="service-roles") if names else []
        return cls(
            {
                row["name"]: ServiceRole(
                    quoted=row["quoted"],
                    can_login=row["can_login"],
                    powers=tuple(row["powers"]),
                    owns=tuple(row["owns"]),
                    owned=row["owned"],
                    creates_in=tuple(row["creates_in"]),
                    sessions=row["sessions"],
                )
                for row in rows
            }
        )


# What a member can do with each is in "Predefined Roles" of the manual: files and programs of the server, everybody's data.
@dataclass(frozen=True, slots=True)
class LoginSuperusers:
    """Superusers that may log in: quoted name -> the name, and the roles that it is a member of."""

    by_name: Mapping[str, tuple[str, tuple[str, ...]]]

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        rows = postgres.rows(_SUPERUSERS, marker="login-superusers")
        return cls({row["quoted"]: (row["name"], tuple(row["groups"])) for row in rows})


# A superuser has every role's rights; who is a member in truth stands in pg_auth_members.
_BELONGS = """
with recursive belongs (member, oid) as (
    select r.oid, r.oid
    from pg_catalog.pg_roles as r
    where {of}
    union
    select b.member, m.roleid
    from belongs as b
    inner join pg_catalog.pg_auth_members as m on b.oid = m.member
)
select
    r.rolname::text as name,
    pg_catalog.quote_ident(r.rolname) as quoted,
    array(
        select g.rolname::text
        from belongs as b
        inner join pg_catalog.pg_roles as g on b.oid = g.oid
        where b.member = r.oid
        order by g.rolname
    ) as groups
from pg_catalog.pg_roles as r
where {of}
order by r.rolname
"""
_SUPERUSERS = _BELONGS.format(of="r.rolsuper and r.rolcanlogin")
_GROUPS = _BELONGS.format(of="r.rolname = any ($1::text[])")


def groups(postgres: Postgres, names: Sequence[str], *, marker: str) -> dict[str, tuple[str, ...]]:
    """Of each role those that it is a member of, itself among them, as a line of pg_hba.conf with a + takes it."""
    return {row["name"]: tuple(row["groups"]) for row in postgres.rows(_GROUPS, (list(names),), marker=marker)}


# An attribute is had by SET ROLE alone, which a membership may be without since 16; what a predefined role may is inherited too.
_ROLES = """
with application as (
    select c.oid, c.relowner, pg_catalog.format('%I.%I', ns.nspname, c.relname) as quoted
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where
        c.relkind in ('r', 'p', 'f', 'm', 'v', 'S')
        and c.relpersistence <> 't'
        and ns.nspname !~ '^pg_'
        and ns.nspname <> 'information_schema'
)
select
    r.rolname::text as name,
    pg_catalog.quote_ident(r.rolname) as quoted,
    r.rolcanlogin as can_login,
    pg_catalog.array_remove(array[
        case when r.rolsuper then 'superuser' end,
        case when r.rolcreaterole then 'createrole' end,
        case when r.rolcreatedb then 'createdb' end,
        case when r.rolreplication then 'replication' end,
        case when r.rolbypassrls then 'bypassrls' end
    ]::text[], null) || array(
        select m.rolname::text
        from pg_catalog.pg_roles as m
        where
            not r.rolsuper
            and m.oid <> r.oid
            and pg_catalog.pg_has_role(
                r.oid,
                m.oid,
                case
                    when pg_catalog.current_setting('server_version_num')::int4 < 160000 then 'member'
                    when pg_catalog.starts_with(m.rolname, 'pg_') then 'usage, set'
                    else 'set'
                end
            )
            and (
                m.rolsuper or m.rolbypassrls or m.rolcreaterole
                or m.rolname in (
                    'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_write_all_data',
                    'pg_read_all_data', 'pg_database_owner', 'pg_create_subscription', 'pg_maintain', 'pg_signal_backend'
                )
            )
        order by m.rolname
    ) as powers,
    array(
        select a.quoted
        from application as a
        where case when r.rolsuper then a.relowner = r.oid else pg_catalog.pg_has_role(r.oid, a.relowner, 'usage') end
        order by a.quoted
        limit 5
    ) as owns,
    (
        select pg_catalog.count(*)
        from application as a
        where case when r.rolsuper then a.relowner = r.oid else pg_catalog.pg_has_role(r.oid, a.relowner, 'usage') end
    ) as owned,
    array(
        select pg_catalog.quote_ident(ns.nspname)
        from pg_catalog.pg_namespace as ns
        where
            ns.nspname !~ '^pg_'
            and ns.nspname <> 'information_schema'
            and pg_catalog.has_schema_privilege(r.oid, ns.oid, 'create')
        order by ns.nspname
    ) || case
        when pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'create')
            then array['database ' || pg_catalog.quote_ident(pg_catalog.current_database())]
        else array[]::text[]
    end as creates_in,
    (
        select pg_catalog.count(*)
        from pg_catalog.pg_stat_activity as s
        where
            s.usesysid = r.oid
            and s.datname = pg_catalog.current_database()
            and s.pid <> pg_catalog.pg_backend_pid()
            and coalesce(s.application_name, '') !~ '^readiness/'  -- our own second session
    ) as sessions
from pg_catalog.pg_roles as r
where r.rolname = any ($1::text[])
order by r.rolname
"""
