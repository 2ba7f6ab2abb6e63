"""What this tool keeps in a database for itself, and how everybody who looks there knows it: no part of the platform.

It lies in the schema `readiness` (a team's evidence, helpers of the auditor's role). A schema of that name may be somebody
else's; ours bears a comment that it got when it was made, so only what bears both is left out.
"""

from __future__ import annotations

from readiness.facts.postgres import Postgres

SCHEMA = "readiness"
MARK = "readiness (the tool)"

MAKE = f"""do $$
begin
    if pg_catalog.to_regnamespace('{SCHEMA}') is null then
        create schema {SCHEMA};
        comment on schema {SCHEMA} is '{MARK}: evidence of audits, helpers of their role; no part of the platform.';
    end if;
end
$$;
"""


def is_own(namespace: str = "ns") -> str:
    """A condition on a row of pg_namespace; never null."""
    told = f"pg_catalog.obj_description({namespace}.oid, 'pg_namespace')"
    return f"({namespace}.nspname = '{SCHEMA}' and coalesce(pg_catalog.starts_with({told}, '{MARK}'), false))"


def vouched_for(postgres: Postgres, helper: str, *, marker: str) -> bool:
    """Whether a function of our schema is there, may be called, and is a superuser's.

    Only a superuser's own is believed, and called: anybody else's could tell what it likes, and run as us.
    """
    (found,) = postgres.rows(_VOUCHED_FOR, (helper.removeprefix(f"{SCHEMA}."),), marker=marker)
    return bool(found["trusted"])


_VOUCHED_FOR = f"""
select
    exists (
        select
        from pg_catalog.pg_proc as f
        inner join pg_catalog.pg_namespace as ns on f.pronamespace = ns.oid
        inner join pg_catalog.pg_roles as owner on f.proowner = owner.oid
        where
            ns.nspname = '{SCHEMA}'
            and f.proname = $1
            and f.pronargs = 0
            and f.prosecdef
            and owner.rolsuper
            and pg_catalog.has_schema_privilege(ns.oid, 'usage')
            and pg_catalog.has_function_privilege(f.oid, 'execute')
    ) as trusted
"""
