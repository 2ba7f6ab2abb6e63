"""What this tool keeps in a database for itself, and how everybody who looks there knows it: no part of the platform.

It lies in the schema `readiness` (a team's evidence, helpers of the auditor's role). A schema of that name may be somebody
else's; ours bears a comment that it got when it was made, so only what bears both is left out.
"""

from __future__ import annotations

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
