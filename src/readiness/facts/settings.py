"""The server's settings that the profile approves, as a new session of this database would get them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from readiness.facts.postgres import Postgres
from readiness.facts.target import Target, declared
from readiness.model import Scalar, quote_ident


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting as it is.

    Args:
        value: in its unit, as pg_settings has it.
        unit: `kB`, `8kB`, `ms`...; None where it has none.
        kind: bool, integer, real, enum or string.
        context: who may change it, and when: pg_settings.context.
        of_database: the quoted database whose own setting it is; None where it comes from the server.
        of_auditor: whether the auditor's role has a setting of its own, which hides what others get.
    """

    value: str
    unit: str | None
    kind: str
    context: str
    of_database: str | None
    of_auditor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedSettings:
    """What the profile approves, and what there is of it.

    Args:
        approved: name -> value, as the profile writes it.
        live: those of them that the role may see.
        sees_all: whether a setting that isn't among them is not there at all.
        role: the auditor's, quoted.

    Raises, when taken:
        Unobservable: the profile doesn't say which settings are approved.
    """

    approved: Mapping[str, str]
    live: Mapping[str, Setting]
    sees_all: bool
    role: str

    @classmethod
    def take(cls, target: Target, postgres: Postgres) -> Self:
        declared(target.profile, "settings")
        approved = {name: _text(value) for name, value in target.profile.settings.items()}
        rows = postgres.rows(_SETTINGS, ([n.lower() for n in approved],), marker="approved-settings")
        by_name = {row["name"]: row for row in rows}
        return cls(
            approved=approved,
            live={
                name: Setting(
                    value=row["value"] or "",
                    unit=row["unit"],
                    kind=row["kind"],
                    context=row["context"],
                    of_database=row["of_database"],
                    of_auditor=row["of_auditor"],
                )
                for name in approved
                if (row := by_name.get(name.lower()))
            },
            sees_all=postgres.rows(_SEES_ALL, marker="approved-settings")[0]["sees_all"],
            role=quote_ident(postgres.rows("select current_user::text as name", marker="approved-settings")[0]["name"]),
        )


def _text(value: Scalar) -> str:
    return value if isinstance(value, str) else str(value).lower()


_SEES_ALL = "select pg_catalog.pg_has_role('pg_read_all_settings', 'usage') as sees_all"

# reset_val, not setting: the transaction that looks has set some for itself.
_SETTINGS = """
select
    pg_catalog.lower(s.name) as name,
    s.reset_val as value,
    s.unit,
    s.vartype as kind,
    s.context,
    (
        select pg_catalog.quote_ident(d.datname)
        from pg_catalog.pg_db_role_setting as own
        inner join pg_catalog.pg_database as d on own.setdatabase = d.oid
        cross join lateral pg_catalog.unnest(own.setconfig) as one (said)
        where
            d.datname = pg_catalog.current_database()
            and own.setrole = 0
            and pg_catalog.lower(pg_catalog.split_part(one.said, '=', 1)) = pg_catalog.lower(s.name)
    ) as of_database,
    exists (
        select
        from pg_catalog.pg_db_role_setting as own
        inner join pg_catalog.pg_roles as r on own.setrole = r.oid
        left join pg_catalog.pg_database as d on own.setdatabase = d.oid
        cross join lateral pg_catalog.unnest(own.setconfig) as one (said)
        where
            r.rolname = current_user
            and (d.oid is null or d.datname = pg_catalog.current_database())
            and pg_catalog.lower(pg_catalog.split_part(one.said, '=', 1)) = pg_catalog.lower(s.name)
    ) as of_auditor
from pg_catalog.pg_settings as s
where pg_catalog.lower(s.name) = any ($1::text[])
order by name
"""
