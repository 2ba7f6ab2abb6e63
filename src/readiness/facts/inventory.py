"""What a database holds, for a first profile: the application's schemas, login roles at work, histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.bookkeeping import MigrationHistories
from readiness.facts.definitions import DefinedExtension, DefinedSchema, all_schemas, read_extensions
from readiness.facts.grants import GrantedObject, privileges, read_grants
from readiness.facts.postgres import Postgres
from readiness.model import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRole:
    """A role that holds sessions in this database now."""

    name: str
    sessions: int
    superuser: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The application's schemas, the extensions, the roles at work, the migration histories.

    Args:
        grants: of the schemas and what lies in them.
        privileges: kind of object -> all privileges that the server knows of it.
    """

    schemas: Mapping[str, DefinedSchema]
    grants: Sequence[GrantedObject]
    privileges: Mapping[str, frozenset[str]]
    extensions: Mapping[str, DefinedExtension]
    roles: tuple[FoundRole, ...]
    histories: MigrationHistories

    @classmethod
    def take(cls, postgres: Postgres) -> Self:
        """Look.

        Raises:
            Unobservable: also when a DDL statement stands before a table, since half of a table is no declaration.
        """
        schemas = all_schemas(postgres)
        if locked := [t.quoted for s in schemas.values() for t in s.tables.values() if t.locked]:
            raise Unobservable(Reason.LOCKED, f"a running DDL statement stands before {locked[0]}; try again behind it")
        roles = (
            FoundRole(name=row["name"], sessions=row["sessions"], superuser=row["superuser"])
            for row in postgres.rows(_ROLES, marker="inventory")
        )
        return cls(
            schemas=schemas,
            grants=read_grants(postgres, list(schemas)),
            privileges=privileges(postgres),
            extensions=read_extensions(postgres),
            roles=tuple(roles),
            histories=MigrationHistories.take(postgres),
        )


_ROLES = """
select r.rolname::text as name, pg_catalog.count(*) as sessions, r.rolsuper as superuser
from pg_catalog.pg_stat_activity as s
inner join pg_catalog.pg_roles as r on s.usesysid = r.oid
where
    s.datname = pg_catalog.current_database()
    and s.pid <> pg_catalog.pg_backend_pid()
    and coalesce(s.application_name, '') !~ '^readiness/'  -- our own second session
group by r.rolname, r.rolsuper
order by r.rolname
"""
