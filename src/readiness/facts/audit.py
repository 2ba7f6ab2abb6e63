"""Whether pgAudit is loaded, and what it is told to log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from readiness.facts.postgres import Postgres


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLogging:
    """pgAudit, as new sessions of this database get it.

    Args:
        setting: `pgaudit.log` (none where it is loaded and told nothing; "not loaded").
        writes: whether every session logs writes: no role or database sets it back.
    """

    setting: str
    writes: bool

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        (row,) = postgres.rows(_LOOK, marker="audit-logging")
        if not row["loaded"]:
            return cls(setting="not loaded", writes=False)
        settings = [row["server"] or "none", *row["overrides"]]
        return cls(setting=" / ".join(dict.fromkeys(settings)), writes=all(map(_logs_writes, settings)))


def _logs_writes(setting: str) -> bool:
    """Classes stand between commas, the later over the earlier; one with a minus is taken away."""
    logged = False
    for word in setting.lower().replace('"', "").split(","):
        match word.strip():
            case "all" | "write":
                logged = True
            case "none" | "-all" | "-write":
                logged = False
    return logged


# reset_val is what the server's files and this database or role say; what other roles and databases override stands in
# pg_db_role_setting.
_LOOK = """
select
    exists (
        select
        from pg_catalog.pg_settings as s
        where
            s.name = 'shared_preload_libraries'
            and 'pgaudit' = any (pg_catalog.regexp_split_to_array(pg_catalog.replace(s.setting, '"', ''), '\\s*,\\s*'))
    ) as loaded,
    (select s.reset_val from pg_catalog.pg_settings as s where s.name = 'pgaudit.log') as server,
    array(
        select pg_catalog.split_part(o.setting, '=', 2)
        from pg_catalog.pg_db_role_setting as d
        cross join lateral pg_catalog.unnest(d.setconfig) as o (setting)
        where
            o.setting like 'pgaudit.log=%'
            and (
                d.setdatabase = 0
                or d.setdatabase = (
                    select b.oid from pg_catalog.pg_database as b where b.datname = pg_catalog.current_database()
                )
            )
        order by 1
    )::text[] as overrides
"""
