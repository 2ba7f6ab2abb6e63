"""What an application's sessions begin with, so that a drill in its place begins alike."""

from __future__ import annotations

# (name, value) of what is set for a role's sessions, or for everybody's, in this database or in all; the nearest, which counts, last
# (PGC_S_GLOBAL to PGC_S_DATABASE_USER, process_settings() in postinit.c).
SET_FOR_ROLE = """
select
    pg_catalog.split_part(o.setting, '=', 1),
    pg_catalog.substr(o.setting, pg_catalog.strpos(o.setting, '=') + 1)
from pg_catalog.pg_db_role_setting as d
cross join lateral pg_catalog.unnest(d.setconfig) as o (setting)
left join pg_catalog.pg_roles as r on d.setrole = r.oid
where
    (d.setrole = 0 or r.rolname = %s)
    and d.setdatabase in (
        0, (select b.oid from pg_catalog.pg_database as b where b.datname = pg_catalog.current_database())
    )
order by d.setrole <> 0, d.setdatabase <> 0
"""
