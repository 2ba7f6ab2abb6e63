"""The profile: what one platform is made of and what it promises. Read from YAML; `readiness profile schema` documents it.

Nothing here is judged. A profile that declares little is audited for what any platform needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from readiness import yamldoc
from readiness.yamldoc import ConfigError, Document

FILE_NAME = "readiness.yaml"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
NameOrNone = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_-]{0,62})?$")]


def _url_of(*schemes: str, with_port: str = "") -> AfterValidator:
    def sound(url: str) -> str:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            if port is None and parts.scheme in with_port.split():
                host = None
        except ValueError:
            host = None
        if not host or parts.scheme not in schemes or re.search(r"\s", url):
            raise ValueError(f"expected {' or '.join(f'{s}://host:port' for s in schemes)}")
        return url

    return AfterValidator(sound)


HttpUrl = Annotated[str, StringConstraints(max_length=2000), _url_of("http", "https")]
ServiceUrl = Annotated[
    str,
    StringConstraints(max_length=2000),
    _url_of("http", "https", "grpc", "grpcs", "tcp", with_port="grpc grpcs tcp"),
]
RedisUrl = Annotated[str, StringConstraints(max_length=2000), _url_of("redis", "rediss")]
QualifiedName = Annotated[
    str, StringConstraints(pattern=r'^([a-z_][a-z0-9_$]*|"([^"]|"")+")\.([a-z_][a-z0-9_$]*|"([^"]|"")+")$')
]

GucName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*$")]
SettingName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)+$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Database(_Section):
    """The audited database. Without a DSN libpq's own sources count: PG* variables, service file, passfile."""

    dsn: SecretStr | None = None
    """A libpq URI or keyword string; keep the password out of it (`${VARIABLE}`, passfile, service)."""
    search_path: tuple[str, ...] = ()
    """For the critical queries, where they don't qualify their names."""


class Pool(_Section):
    """How a service bounds its connections."""

    max: int = Field(gt=0, description="Most connections that one instance opens.")
    min: int = Field(default=0, ge=0)
    idle_seconds: float | None = Field(default=None, gt=0)
    instances: int = Field(default=1, gt=0, description="How many instances run, each with a pool of its own.")


class Health(_Section):
    """What a healthy answer looks like. Over tcp:// it is an open connection; over grpc:// the standard health service's."""

    path: str = Field(default="/health", pattern=r"^/")
    status: int = Field(default=200, ge=100, le=599)
    json_body: bool = Field(default=True, description="The body is JSON, and its status field says healthy.")
    fields: dict[str, str | int | float | bool | None] = {}
    """What else the body must say, by the path to it: `database.connected: true`."""
    name: str | None = None
    """How the service calls itself there (`service`, `name` or `app`), so that another at its address is noticed."""
    grpc_service: str = ""
    """What the health service of gRPC is asked for; empty: the whole server."""


class Histogram(_Section):
    """A Prometheus histogram (a classic one, with buckets) of how long a service's callers waited."""

    metric: str = Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")
    """Its name, without _bucket: `http_request_duration_seconds`."""
    labels: dict[Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")], str] = {}
    """Which of its series count; those are added up."""
    unit: Literal["s", "ms"] = "s"
    path: str = Field(default="/metrics", pattern=r"^/")
    """Where the service itself shows it; then it counts since the service began."""
    prometheus: HttpUrl | None = None
    """Or a Prometheus server that collects it; then it counts over `window`."""
    window: str = Field(default="1h", pattern=r"^[1-9]\d*[smhdw]$")


class Service(_Section):
    """One service of the platform."""

    title: str = ""
    url: ServiceUrl | None = None
    """`http://`, `https://`; `grpc://` and `grpcs://` (the extra `grpc`); `tcp://` where a connection is all that can be had."""
    health: Health | None = Health()
    """None where it has no health endpoint."""
    role: str | None = None
    """The Postgres role that it connects as."""
    dsn: SecretStr | None = None
    """Its own connection string, to see that it leads to the audited database."""
    uses_postgres: bool = True
    needs_change: bool = True
    """Whether its readiness counts in the platform's mean."""
    schemas: tuple[str, ...] = ()
    """The schemas that are its own."""
    tables: tuple[QualifiedName, ...] = ()
    """Tables that are its own in a schema that is not: schema.table, each quoted where it needs it."""
    pool: Pool | None = None
    pooler: Name | None = None
    """The pooler that it connects through; its pool is then clients of that, not sessions of the server."""
    latency_path: str | None = Field(default=None, pattern=r"^/")
    """What is timed for its P95; the health path by default."""
    latency_headers: dict[str, SecretStr] = {}
    """What the timed requests carry: `{Authorization: "Bearer ${TOKEN}"}`. Secret."""
    latency_status: int | None = Field(default=None, ge=100, le=599)
    """What they are answered with, else the request failed. Default: the health path's own, or any from 200 to 299."""
    latency_fields: dict[str, str | int | float | bool | None] = {}
    """What the JSON in the answer must say, by the path to it: `items.0.id: 7`."""
    histogram: Histogram | None = None
    """What its callers waited, as it counts it itself; then that is judged, and nothing is timed."""
    sources: tuple[str, ...] = ()
    """Folders of its source code."""
    keeps_files: bool | None = None
    """Whether it may keep data in files of its own; false: its sources write none."""
    keeps_memory: bool | None = None
    """Whether it may keep data in its own memory from one request to the next; false: its sources don't."""

    @property
    def host(self) -> str | None:
        return urlsplit(self.url).hostname if self.url else None

    @property
    def port(self) -> int | None:
        if self.url is None:
            return None
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def speaks_http(self) -> bool:
        return self.url is not None and self.url.startswith("http")


class Pooler(_Section):
    """A connection pooler between the services and the database."""

    kind: Literal["pgbouncer"] = "pgbouncer"
    dsn: SecretStr
    """Its admin console, as a user that stats_users names: `postgresql://stats@host:6432/pgbouncer`."""
    server: str | None = Field(default=None, pattern=r":\d{1,5}$")
    """host:port of the audited server, as its [databases] have it, where they lead to several."""
    database: str | None = None
    """Its name for the audited database, where that is another."""


class Rows(_Section):
    """Rows that name what lies in a store: a column that holds the ids of points, or the keys of objects."""

    table: QualifiedName
    column: str
    deleted: str | None = None
    """A column that is set where a row counts as deleted: what such a row names may lie there or not."""
    optional: bool = False
    """Whether a row may name nothing (null)."""
    prefix: str = ""
    """What stands before the key in the column: `s3://bucket/`."""


class Collection(_Section):
    """A collection of points in Qdrant."""

    size: int | None = Field(default=None, gt=0, description="Of its vectors.")
    payload_indexes: tuple[str, ...] = ()
    """Fields of the payload that searches filter by."""
    rows: tuple[Rows, ...] = ()
    """The rows that its points belong to."""


class Bucket(_Section):
    """A bucket of objects."""

    public: bool = False
    """Whether everybody may read it."""
    under: str = ""
    """Where in it the objects lie that the rows name: `files/`."""
    rows: tuple[Rows, ...] = ()
    """The rows that its objects belong to."""


class _Store(_Section):
    title: str = ""


class QdrantStore(_Store):
    """Qdrant, asked over REST."""

    kind: Literal["qdrant"]
    url: HttpUrl | None = None
    api_key: SecretStr | None = None
    """A read-only one is enough."""
    collections: dict[str, Collection] = {}


class RedisStore(_Store):
    """Redis, or what speaks its protocol."""

    kind: Literal["redis"]
    url: RedisUrl | None = None
    username: str | None = None
    password: SecretStr | None = None
    holds: Literal["cache", "data"] | None = None
    """A cache may forget, and so must have a bound and evict; data may not, and so must be kept on disk."""


class S3Store(_Store):
    """S3, MinIO, or what speaks their protocol."""

    kind: Literal["s3"]
    url: HttpUrl | None = None
    """None: Amazon's own, by region."""
    region: str | None = None
    access_key: str | None = None
    secret_key: SecretStr | None = None
    """Without keys: nobody's at an address of your own; at Amazon's what its SDK finds."""
    buckets: dict[str, Bucket] = {}


Store = Annotated[QdrantStore | RedisStore | S3Store, Field(discriminator="kind")]
"""A store beside Postgres."""


class Step(_Section):
    """One request of a probe, and the answer that is expected.

    `{name}` in a path, a value or a header stands for what was captured before, a variable of the probe's, or `{run}`: a word
    that no other run has.
    """

    request: str = Field(pattern=r"^(GET|POST|PUT|PATCH|DELETE) /\S*$", description="`POST /login`.")
    service: Name | None = None
    """Who is asked, where that isn't the probe's own service."""
    query: dict[str, str | int | float | bool] = {}
    headers: dict[str, str] = {}
    body: Any = None
    """Sent as JSON."""
    status: int = Field(default=200, ge=100, le=599)
    fields: dict[str, str | int | float | bool | None] = {}
    """What the JSON body must say, by the path to it: `user.id: "{user}"`, `items.0.title: ...`."""
    present: tuple[str, ...] = ()
    """Paths at which it must say something, whatever it is."""
    capture: dict[Name, str] = {}
    """Name -> the path of a value that later steps use."""


class Probe(_Section):
    """What a service must be able to do, as a sequence of requests; `readiness drill services` sends them.

    They write: let them work in a tenant of their own, which `{run}` names, and clean up.
    """

    title: str = ""
    service: Name
    variables: dict[Name, SecretStr] = {}
    steps: tuple[Step, ...] = Field(min_length=1)
    cleanup: tuple[Step, ...] = ()
    """Sent at the end, however that came; steps whose names were never captured are passed over."""

    @property
    def services(self) -> tuple[str, ...]:
        """Whom it asks."""
        return tuple(dict.fromkeys([self.service, *(s.service for s in (*self.steps, *self.cleanup) if s.service)]))

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        known = {"run", *self.variables}
        for step in (*self.steps, *self.cleanup):
            texts = [step.request, *map(str, step.query.values()), *step.headers.values(), str(step.body or "")]
            for name in _PLACE.findall(" ".join([*texts, *map(str, step.fields.values())])):
                if name not in known:
                    raise ValueError(
                        f"{step.request}: {{{name}}} is neither a variable nor captured by a step before it"
                    )
            known |= set(step.capture)
        return self


_PLACE = re.compile(r"\{([a-z][a-z0-9_-]*)\}")


PRIVILEGES: Mapping[str, tuple[str, ...]] = {
    "schema": ("usage", "create"),
    "table": ("select", "insert", "update", "delete", "truncate", "references", "trigger", "maintain"),
    "sequence": ("usage", "select", "update"),
    "function": ("execute",),
}
"""What can be granted on each kind of object, in the manual's order; a table's are a view's too."""
COLUMN_PRIVILEGES = ("select", "insert", "update", "references")


@dataclass(frozen=True, slots=True)
class Privilege:
    """What a role is given on an object: `select`, `select (id, email)`, `all with grant option`.

    Args:
        word: one of PRIVILEGES, or `all`.
        columns: where it is given on these columns alone.
    """

    word: str
    columns: tuple[str, ...] = ()
    grantable: bool = False


_COLUMN = r'[a-z_][a-z0-9_$]*|"(?:[^"]|"")+"'
_PRIVILEGE = re.compile(
    rf"(?P<word>[a-zA-Z]+)(?: privileges)?(?: ?\((?P<columns>\s*(?:{_COLUMN})(?:\s*,\s*(?:{_COLUMN}))*\s*)\))?"
    r"(?P<grantable> (?i:with grant option))?"
)


def _privilege_of(kind: str) -> Callable[[object], object]:
    def parsed(value: object) -> object:
        if isinstance(value, Privilege):
            return value
        found = _PRIVILEGE.fullmatch(str(value))
        word = found["word"].lower() if found else ""
        columns = re.findall(_COLUMN, found["columns"] or "") if found else []
        may = COLUMN_PRIVILEGES if columns and kind == "table" else () if columns else PRIVILEGES[kind]
        if found is None or word not in ("all", *may):
            quoted = "; what holds a comma stands in quotes" if kind == "table" else ""
            raise ValueError(
                f"{value!r} is no privilege of a {kind}; write {', '.join(PRIVILEGES[kind])} or all{quoted}"
            )
        names = (c[1:-1].replace('""', '"') if c.startswith('"') else c for c in columns)
        return Privilege(word, tuple(names), found["grantable"] is not None)

    return parsed


def _signature(text: str) -> str:
    """One space behind each comma, and none before it."""
    found = re.fullmatch(rf"({_COLUMN})\((.*)\)", text.strip(), re.DOTALL)
    if found is None:
        raise ValueError(f"{text!r} names no function; write name(type, type), with the types of its arguments")
    arguments = re.sub(r'("(?:[^"]|"")*")|\s*,\s*', lambda m: m[1] or ", ", found[2].strip())
    return f"{found[1]}({arguments})"


Signature = Annotated[str, AfterValidator(_signature)]


def _shown_as_text(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example]})


SchemaPrivilege = Annotated[Privilege, BeforeValidator(_privilege_of("schema")), _shown_as_text("usage")]
TablePrivilege = Annotated[Privilege, BeforeValidator(_privilege_of("table")), _shown_as_text("select (id, email)")]
SequencePrivilege = Annotated[Privilege, BeforeValidator(_privilege_of("sequence")), _shown_as_text("usage")]
FunctionPrivilege = Annotated[Privilege, BeforeValidator(_privilege_of("function")), _shown_as_text("execute")]


class Relation(_Section):
    """A view, a materialized view, a foreign table, or a partition."""

    grants: dict[str, tuple[TablePrivilege, ...]] = {}
    """As a table's."""


class Sequence(_Section):
    grants: dict[str, tuple[SequencePrivilege, ...]] = {}
    """As a table's: `usage`, `select`, `update`."""


class Function(_Section):
    """A function, a procedure, or an aggregate."""

    grants: dict[str, tuple[FunctionPrivilege, ...]] = {}
    """As a table's: `execute`. Whoever makes a function gives it to everybody, so say `PUBLIC: [execute]` where that is so."""


class Column(_Section):
    type: str
    """As format_type() writes it: `uuid`, `timestamp with time zone`, `text[]`."""
    nullable: bool = True
    default: str | None = None
    """As pg_get_expr() writes it: `now()`, `'open'::text`."""
    generated: str | None = None
    """The expression of a generated column, as pg_get_expr() writes it."""
    identity: Literal["always", "by default"] | None = None
    collation: str | None = None
    """Where it isn't the type's own: `pg_catalog."C"`."""
    comment: str | None = None


class Table(_Section):
    columns: dict[str, Column | str] = {}
    """Column name to type, or to type and nullability; columns that aren't named aren't judged."""
    constraints: dict[str, str] = {}
    """Name to definition, as pg_get_constraintdef() writes it: `PRIMARY KEY (id)`,
    `FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE`. Capitals and spaces outside quotes don't count."""
    indexes: dict[str, str] = {}
    """Name to what pg_get_indexdef() writes behind the table: `USING btree (email)`, `UNIQUE USING btree (lower(email))`.
    Those that stand behind a constraint are declared by that."""
    row_security: Literal["off", "on", "forced"] | None = None
    owner: str | None = None
    grants: dict[str, tuple[TablePrivilege, ...]] = {}
    """Role (or PUBLIC) to all that it is granted: `select`, `"select (id, email)"`, `all`, `insert with grant option`. What the
    owner has of itself is left out."""
    comment: str | None = None


class Schema(_Section):
    complete: bool = False
    """Whether this is all: then what lies in the schema undeclared is told, and what isn't said of a declared column
    (a default, NOT NULL) is declared not to be there."""
    owner: str | None = None
    grants: dict[str, tuple[SchemaPrivilege, ...]] = {}
    """Role (or PUBLIC) to all that it is granted on the schema itself: `usage`, `create`. Of a complete schema that says this,
    objects without grants of their own are declared to have none beyond the server's default."""
    comment: str | None = None
    enums: dict[str, tuple[str, ...]] = {}
    """Enum type to its labels, in their order."""
    tables: dict[str, Table | None] = {}
    partitions: dict[str, Relation] = {}
    """Partitions whose privileges are declared; others may hold what their table holds, and no more."""
    views: dict[str, Relation] = {}
    """Views, materialized views and foreign tables whose privileges are declared."""
    sequences: dict[str, Sequence] = {}
    """Sequences whose privileges are declared, those of identity and serial columns among them."""
    functions: dict[Signature, Function] = {}
    """Functions, procedures and aggregates whose privileges are declared: the name, quoted where it needs it, and the types of
    its arguments as format_type() writes them: `login(text, integer)`."""


class Extension(_Section):
    schema_: str | None = Field(default=None, alias="schema")
    version: str | None = None


class CriticalQuery(_Section):
    """A query whose latency is a promise."""

    sql: str
    """One read-only statement; parameters as $1, $2..."""
    title: str = ""
    values: tuple[tuple[str | int | float | bool | None, ...], ...] = ()
    """Sets of parameter values, drawn in turn."""
    values_sql: str | None = None
    """Or a query that yields them, one set a row (the first 1,000)."""
    target_ms: float | None = Field(default=None, gt=0)
    rate: float | None = Field(default=None, gt=0, le=1000)
    """Calls a second at which the target holds: then it is asked at this rate, and the wait for a free session counts.
    Without, it is asked one call at a time."""
    service: Name | None = None

    @model_validator(mode="after")
    def _one_source_of_values(self) -> Self:
        if self.values and self.values_sql:
            raise ValueError("give values or values_sql, not both")
        if "$1" in self.sql and not (self.values or self.values_sql):
            raise ValueError("the statement has parameters; give values or values_sql")
        return self


class MigrationCommands(_Section):
    """How the project's own framework goes one step; run from the profile's folder, without a shell, in drills alone.

    The scratch database's address is in the environment: DATABASE_URL, and PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE.
    `{name}` in an argument stands for the migration's name.
    """

    up: str
    """Applies the next migration alone: `npx node-pg-migrate up 1`, `alembic upgrade +1`."""
    down: str
    """Undoes the last one: `npx node-pg-migrate down 1`, `alembic downgrade -1`."""
    url_variable: str = Field(default="DATABASE_URL", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


class Migrations(_Section):
    directory: str
    """The migrations folder, from the profile's own."""
    framework: str | None = None
    """Where the folder and the bookkeeping table leave a doubt."""
    rollback_document: str | None = None
    seeds: str | None = None
    commands: MigrationCommands | None = None
    """Where the migrations are not plain SQL, or should be run as the project runs them."""


class RowSecurity(_Section):
    """Tables whose rows belong to tenants, and how a session says whose it is (what `readiness drill rls` tries)."""

    tables: tuple[str, ...] = ()
    column: str | None = None
    """The column that holds a row's tenant, where `columns` names no other."""
    columns: dict[QualifiedName, str] = {}
    """Table -> its tenant column, as far as it isn't `column`."""
    owners: dict[QualifiedName, str] = {}
    """Table -> SQL that yields (value of its column, the tenant whose it is), where the column holds not the tenant but what
    belongs to one: `select id, user_id from projects.projects`."""
    settings: dict[SettingName, str] = {}
    """What a session sets for a tenant, by name: `app.tenant_id: "{tenant}"`."""
    roles: tuple[str, ...] = ()
    """The roles that the policies must bind; the services' roles by default."""
    tenants: tuple[str, ...] = ()
    """Two tenants to try with, who share nothing; any two that have rows by default, none of whose rows may be shared."""


class AuditEvent(_Section):
    """Something that must leave a record: what the platform sends for it, tried by `readiness drill audit-trail`."""

    sql: tuple[str, ...] = Field(min_length=1)
    """The statements, in order; they run in a transaction that is rolled back."""
    title: str = ""
    role: str | None = None
    """Who sends them; the drill's own role by default."""
    leaves: QualifiedName | None = None
    """The table that must hold a row more; by default any of `trails`, or a line of pgAudit's."""

    @field_validator("sql", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


class Audit(_Section):
    """Tables whose changes must leave a trail, and what else must (`readiness drill audit-trail` tries it)."""

    tables: tuple[str, ...] = ()
    trails: tuple[QualifiedName, ...] = ()
    """Where triggers write it; by default whatever table holds a row more after a change."""
    roles: tuple[str, ...] = ()
    """Who changes them; the services' roles by default."""
    classes: tuple[Literal["read", "write", "function", "role", "ddl", "misc", "misc_set"], ...] = ()
    """Classes of statements that pgAudit must log, whoever sends them."""
    events: dict[Name, AuditEvent] = {}
    """What else must leave a record, by a name of your own: a login, an export."""


class StandbyServer(_Section):
    """A standby of the audited database, which is asked itself."""

    dsn: SecretStr
    """As `database.dsn`, with the auditor's role: it is the same one there."""


class Environment(_Section):
    """Another database that must have the same schema: staging, say."""

    dsn: SecretStr
    """As `database.dsn`; its role need only be able to connect there, since the catalogs are all that is read."""


AlertKind = Literal["connections", "slow-queries", "replication-lag", "backup-age", "disk", "wraparound"]


class Monitoring(_Section):
    """What watches the platform, and tells its people when something is wrong."""

    prometheus: HttpUrl | None = None
    """Where Prometheus answers: its rules, its series, its Alertmanagers."""
    alertmanager: HttpUrl | None = None
    """Where Alertmanager answers: who gets what."""
    token: SecretStr | None = None
    """Sent to both as a bearer token, over https alone."""
    rule_files: tuple[str, ...] = ()
    """Files of alert rules, from the profile's own folder, with * and **; where no Prometheus is named."""
    labels: dict[str, str] = {}
    """What the series about the audited server bear, where Prometheus knows several: `instance: db:9187`."""
    alerts: tuple[AlertKind, ...] = (
        *("connections", "slow-queries", "replication-lag", "backup-age", "disk", "wraparound"),
    )
    """What must raise an alert."""
    fresh_seconds: float = Field(default=300, gt=0)
    """How old the exporter's newest sample may be."""


class BackupStore(_Section):
    """Where backups of the audited database lie, and how one asks."""

    tool: Literal["pgbackrest", "barman", "wal-g", "basebackup", "pg_dump", "provider"]
    """`basebackup`: a folder with one backup of pg_basebackup, plain or tar, in each of its folders. `pg_dump`: a folder with
    dumps, archives or plain SQL. `provider`: a managed service, asked by its own command."""
    stanza: str | None = None
    """pgBackRest's name of the cluster."""
    server: str | None = None
    """Barman's name of the cluster."""
    command: tuple[str, ...] = ()
    """How the tool is called, without a shell: `[ssh, backup-host, pgbackrest]`, with `--config=...` or `-c FILE` where it needs
    one; by its name by default. Of a provider all of it: `[aws, rds, describe-db-instances, --db-instance-identifier, shop]`.
    Only what lists and changes nothing is asked."""
    directory: str | None = None
    """The folder with the base backups or dumps, from the profile's own."""
    wal_directory: str | None = None
    """The folder with the archived WAL, from the profile's own."""
    left_out: tuple[str, ...] = ()
    """Of dumps: tables whose rows are left out on purpose, by schema and name (`*` is any text): `[public.sessions, "scratch.*"]`."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.tool == "pgbackrest" and self.stanza is None:
            raise ValueError("a pgbackrest store names its stanza")
        if self.tool == "barman" and self.server is None:
            raise ValueError("a barman store names its server")
        if self.tool == "provider" and not self.command:
            raise ValueError("a provider's store names the command that lists its backups")
        if self.tool in ("basebackup", "pg_dump") and self.directory is None:
            raise ValueError(f"a {self.tool} store names its directory")
        if self.left_out and self.tool != "pg_dump":
            raise ValueError(f"left_out is of dumps: a {self.tool} store has all tables or none")
        return self

    @property
    def words(self) -> tuple[str, ...]:
        """The command, or the tool's own name."""
        return self.command or (self.tool,)


class Runbook(_Section):
    """Where it is written down what is done when it is needed."""

    restore: str
    """The document with the restore procedure, from the profile's own folder."""
    review_days: int = Field(default=180, gt=0)
    """How long a review holds: a line `Reviewed: YYYY-MM-DD` in it, or its last commit."""


class Capacity(_Section):
    """What bounds the platform's growth, as far as a session of the database doesn't see it."""

    disk_gb: float | None = Field(default=None, gt=0)
    """The volume that the databases lie on."""
    users: int | None = Field(default=None, gt=0)
    """How many users the platform has now: what breaks first at ten times as many is told."""
    prometheus: HttpUrl | None = None
    """Where figures' series are, if not from earlier audits alone."""
    queries: dict[str, str] = {}
    """Figure (databases, connections, "write-ahead log", "transaction ids", a table's name) -> PromQL for one series of it,
    in the figure's unit: `databases: sum(pg_database_size_bytes{instance="db:9187"}) / 1048576`."""

    @model_validator(mode="after")
    def _asked_somewhere(self) -> Self:
        if self.queries and not self.prometheus:
            raise ValueError("queries are asked of a Prometheus; name it")
        return self


class Targets(_Section):
    """What the platform promises."""

    query_p95_ms: float = Field(default=100, gt=0)
    service_p95_ms: float = Field(default=300, gt=0)
    connections: int = Field(default=100, gt=0)
    transactions_per_second: float = Field(default=1000, gt=0)
    standbys: int = Field(default=1, ge=0)
    standby_lag_seconds: float = Field(default=10, gt=0)
    backup_age_hours: float = Field(default=26, gt=0)
    """How old the newest backup may be; a day and the time that one takes."""
    recovery_window_days: float = Field(default=7, gt=0)
    """How far back a restore must be able to go."""
    recovery_time_seconds: float | None = Field(default=None, gt=0)
    """How long a restore may take until the database takes sessions (RTO)."""
    recovery_point_seconds: float | None = Field(default=None, gt=0)
    """How much of what was committed may be lost (RPO)."""


class Probing(_Section):
    """How much the audit may ask of the platform."""

    query_samples: int = Field(default=200, ge=1, le=100_000)
    query_seconds: float = Field(default=20, gt=0, le=3600)
    """For all critical queries together."""
    query_connections: int = Field(default=4, ge=1, le=32)
    """Sessions for the queries that declare a rate, all together; they open only where as many and ten more are free."""
    most_active: int = Field(default=32, ge=0)
    """Timing stops when more sessions than this, beside our own, are at work at once (where the role may see that)."""
    pause_ms: float = Field(default=2, ge=0)
    """Between two timed queries or requests."""
    http_requests: int = Field(default=100, ge=1, le=10_000)
    http_seconds: float = Field(default=10, gt=0, le=3600)
    """For each service; services are asked side by side."""
    http_timeout_seconds: float = Field(default=5, gt=0, le=60)
    statement_seconds: float = Field(default=5, gt=0, le=600)
    share_when_busy: float = Field(default=0.25, gt=0, le=1)
    """The part of the time in which the audit asks the database while others are at work there, or can't be seen; 1 never rests."""
    sessions: int = Field(default=2, ge=1, le=2)
    """That ask the catalog at once where it is large and nobody else is at work; a second one opens where ten more are free."""
    sample_rows: int = Field(default=200, ge=3, le=10_000)
    """Rows looked at in each table for what its text columns hold."""
    sample_seconds: float = Field(default=15, gt=0, le=3600)
    link_ids: int = Field(default=1_000_000, ge=1_000, le=100_000_000)
    """Rows that are compared with what they name in a store, one by one; of more a sample is drawn."""
    link_seconds: float = Field(default=120, gt=0, le=86_400)
    """For each comparison; stores are compared side by side."""


class Transaction(_Section):
    """One kind of transaction of the load drill's mix."""

    statements: tuple[str, ...] = Field(min_length=1)
    """One SQL statement each, parameters as $1, $2...; several run in one transaction."""
    weight: float = Field(default=1, gt=0)
    """How often it comes, beside the others' weights."""
    values: tuple[tuple[str | int | float | bool | None, ...], ...] = ()
    """Sets of parameter values, of which one is drawn for each transaction."""
    values_sql: str | None = None
    """Or a query that yields them from what `prepare` filled, one set a row (the first 10,000)."""

    @model_validator(mode="after")
    def _values_enough(self) -> Self:
        if self.values and self.values_sql:
            raise ValueError("give values or values_sql, not both")
        wanted = max((int(n) for s in self.statements for n in re.findall(r"\$(\d+)", s)), default=0)
        if wanted and not (self.values or self.values_sql):
            raise ValueError("the statements have parameters; give values or values_sql")
        if any(len(v) < wanted for v in self.values):
            raise ValueError(f"a set of values has fewer than the {wanted} that the statements name")
        return self


class Load(_Section):
    """What `readiness drill load` works with in its scratch database, in place of pgbench's own mix."""

    prepare: tuple[str, ...] = ()
    """SQL files, from the profile's folder, that make and fill the tables."""
    transactions: dict[Name, Transaction] = Field(min_length=1)


class Row(_Section):
    """A line of the platform's own plan: what is asked, and the checks that answer it."""

    title: str = Field(min_length=1)
    checks: tuple[str, ...] = Field(min_length=1)
    id: str = ""
    """As the platform's people call it; free text."""
    target: str = ""
    """What is wanted, in words."""
    priority: Literal["", "P0", "P1", "P2"] = ""
    """As its people see it; what counts how much is the policy's."""
    rule: Literal["all", "any"] = "all"
    """Whether all checks must pass, or one is enough (a pooler, or bounded pools)."""
    service: Name | None = None
    """Only what the checks say of this service's own subjects counts."""
    subjects: tuple[str, ...] = ()
    """Only what the checks say of these subjects counts; `*` is any text: `auth.*`."""

    @model_validator(mode="after")
    def _one_part(self) -> Self:
        if self.service and self.subjects:
            raise ValueError("give a service or subjects, not both")
        return self


class Risk(_Section):
    """What may go wrong. Its place in the matrix comes from its controls: what is in place, proven, counts."""

    id: Name
    title: str = Field(min_length=1)
    impact: Literal["low", "medium", "high"]
    """When nothing limits it."""
    prevented_by: tuple[str, ...] = Field(min_length=1)
    """Checks that make it less probable."""
    limited_by: tuple[str, ...] = ()
    """Checks that make it less bad: when all pass, the impact is one step lower."""
    mitigation: str = ""


class Milestone(_Section):
    title: str
    date: date
    phases: tuple[str, ...] = ()
    """Phases of the checklist that are done then; without any, the milestone is a GO."""


class Profile(_Section):
    """One platform."""

    name: NameOrNone
    title: str = ""
    database: Database = Database()
    services: dict[Name, Service] = {}
    stores: dict[Name, Store] = {}
    probes: dict[Name, Probe] = {}
    """What services must be able to do, tried by `readiness drill services`."""
    poolers: dict[Name, Pooler] = {}
    """The connection poolers; `{}` where there are none."""
    schemas: dict[str, Schema] = {}
    """The canonical schema: what must be there, by schema and table."""
    extensions: dict[str, Extension | None] = {}
    """The extensions that must be there, and, where said, in which schema and version."""
    settings: dict[GucName, str | bool | int | float] = {}
    """The server's settings that were approved, by name, as postgresql.conf writes them: `work_mem: 64MB`."""
    queries: dict[Name, CriticalQuery] = {}
    migrations: Migrations | None = None
    row_security: RowSecurity = RowSecurity()
    audit: Audit = Audit()
    encrypted_columns: dict[QualifiedName, tuple[str, ...]] = {}
    """Columns of personal data and the like that are kept encrypted (pgcrypto's or the application's own), by table:
    `auth.users: [national_id]`. Their values are looked at."""
    monitoring: Monitoring = Monitoring()
    standbys: dict[Name, StandbyServer] = {}
    """Its standbys, by a name of your own."""
    environments: dict[Name, Environment] = {}
    """The platform's other environments, by name: each must have the same schema."""
    backups: dict[Name, BackupStore] = {}
    """The stores of its backups, by a name of your own."""
    runbook: Runbook | None = None
    capacity: Capacity = Capacity()
    targets: Targets = Targets()
    probing: Probing = Probing()
    load: Load | None = None
    requirements: dict[str, tuple[Row, ...]] = {}
    """Tables that the reports print, by their title: each row answered by checks."""
    checklist: dict[str, tuple[Row, ...]] = {}
    """The way there, by phase: each row ticked from evidence."""
    nice_to_have: tuple[Row, ...] = ()
    success_metrics: tuple[Row, ...] = ()
    risks: tuple[Risk, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    attestations: str | None = None
    """The attestations' file, from the profile's folder (`readiness attest` writes it)."""
    waivers: str | None = None
    """The waivers' file, from the profile's folder (`readiness waive` writes it)."""

    @model_validator(mode="after")
    def _names_meet(self) -> Self:
        if twice := sorted(set(self.services) & set(self.stores)):
            raise ValueError(f"two targets are named {twice[0]!r}, a service and a store; rename one")
        for name, query in self.queries.items():
            if query.service and query.service not in self.services:
                raise ValueError(f"queries.{name}.service: no service is named {query.service!r}")
        for where, row in self.rows():
            if row.service and row.service not in self.services:
                raise ValueError(f"{where}: {row.title}: no service is named {row.service!r}")
        for milestone in self.milestones:
            for phase in milestone.phases:
                if phase not in self.checklist:
                    raise ValueError(f"milestones: {milestone.title}: the checklist has no phase {phase!r}")
        for name, service in self.services.items():
            if service.pooler and service.pooler not in self.poolers:
                raise ValueError(f"services.{name}.pooler: no pooler is named {service.pooler!r}")
        for name, probe in self.probes.items():
            for asked in probe.services:
                if asked not in self.services or not self.services[asked].speaks_http:
                    raise ValueError(f"probes.{name}: no service with an http address is named {asked!r}")
        owners: dict[str, str] = {}
        for name, service in self.services.items():
            for own in (*(f"schema {s}" for s in service.schemas), *(f"table {t}" for t in service.tables)):
                if own in owners:
                    raise ValueError(f"the {own} belongs to {owners[own]!r} and to {name!r}; keep one owner")
                owners[own] = name
        return self

    def rows(self) -> list[tuple[str, Row]]:
        """Every row of its plan, with the name of its table."""
        tables = {f"requirements.{t}": rows for t, rows in self.requirements.items()}
        tables |= {f"checklist.{t}": rows for t, rows in self.checklist.items()}
        tables |= {"nice_to_have": self.nice_to_have, "success_metrics": self.success_metrics}
        return [(table, row) for table, rows in tables.items() for row in rows]

    @property
    def unnamed(self) -> bool:
        """Whether it stands for having no profile."""
        return not self.name

    @property
    def shown(self) -> str:
        return self.title or self.name

    def service_of_schema(self, schema: str) -> str | None:
        return next((name for name, service in self.services.items() if schema in service.schemas), None)

    def service_of_role(self, role: str) -> str | None:
        """The one service that connects as a role; None where several share it."""
        owners = [name for name, service in self.services.items() if service.role == role]
        return owners[0] if len(owners) == 1 else None


class Source(BaseModel):
    """A profile and the folder that its relative paths start from."""

    model_config = ConfigDict(frozen=True)
    profile: Profile
    folder: Path
    path: Path | None = None
    lines: Mapping[str, int] = {}
    """Part (`database`, `services.auth`) -> the line of the file where it stands; what was included is left out."""


def find(start: Path) -> Path | None:
    """`readiness.yaml` in a folder or the nearest one above it."""
    for folder in (start, *start.parents):
        candidate = folder / FILE_NAME
        if candidate.is_file():
            return candidate
    return None


def load(path: Path, environment: Mapping[str, str], *, overrides: Mapping[str, str] | None = None) -> Source:
    """Read a profile with what it includes.

    Args:
        overrides: values for `${...}` that go before the environment's.

    Raises:
        ConfigError: see `yamldoc`.
    """
    document = yamldoc.read(path)
    folder = path.resolve().parent
    _include(document, folder, path, seen=(path.resolve(),))
    yamldoc.substitute(document, {**environment, **(overrides or {})})
    found = yamldoc.validate(Profile, document)
    if found.unnamed:
        raise ConfigError(f"{document.mark(('name',))}: name: a platform has a name")
    return Source(profile=found, folder=folder, path=path, lines=_lines(document, str(path)))


def _lines(document: Document, file: str) -> dict[str, int]:
    return {
        ".".join(map(str, key)): mark.line
        for key, mark in document.marks.items()
        if 0 < len(key) <= 2 and mark.file == file and all(isinstance(part, str) for part in key)
    }


def _include(document: Document, folder: Path, shown: Path, seen: tuple[Path, ...]) -> None:
    names = document.data.pop("include", [])
    if isinstance(names, str):
        names = [names]
    for at, name in enumerate(names if isinstance(names, list) else [names]):
        place = document.mark(("include", at))
        if not isinstance(name, str):
            raise ConfigError(f"{place}: include: expected the name of a file")
        target = (folder / name).resolve()
        if not target.is_relative_to(folder):
            raise ConfigError(f"{place}: include: {name!r} lies outside the profile's folder; move it there")
        if target in seen:
            raise ConfigError(f"{place}: include: {name!r} includes itself")
        other = yamldoc.read(target, shown_as=str(shown.parent / name))
        _include(other, target.parent, shown.parent / name, (*seen, target))
        yamldoc.merge(document, other)


def shipped() -> list[str]:
    """The names of the profiles that come with the tool."""
    folder = files("readiness_config") / "profiles"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def shipped_text(name: str) -> bytes:
    """The file of a shipped profile, to copy."""
    return (files("readiness_config") / "profiles" / f"{name}.yaml").read_bytes()


def load_shipped(name: str, environment: Mapping[str, str], *, overrides: Mapping[str, str] | None = None) -> Source:
    """A shipped profile, its relative paths starting from the current folder.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in shipped():
        raise ConfigError(f"no profile named {name!r} ships with the tool; there are: {', '.join(shipped())}")
    with as_file(files("readiness_config") / "profiles" / f"{name}.yaml") as path:
        source = load(path, environment, overrides=overrides)
    return source.model_copy(update={"folder": Path.cwd(), "path": None, "lines": {}})


def without_file() -> Source:
    """What is audited where there is no profile: any database, for what any platform needs."""
    return Source(profile=Profile(name=""), folder=Path.cwd())


def json_schema() -> dict[str, Any]:
    """JSON Schema of a profile's file, for editors."""
    schema = Profile.model_json_schema()
    include = {
        "description": "Other files of the profile, from its folder.",
        "type": "array",
        "items": {"type": "string"},
    }
    schema["properties"] = {"include": include, **schema["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def secrets_of(profile: Profile) -> list[str]:
    """The secrets that stand in a profile's addresses; `dsns_of` gives what only libpq can read."""
    texts = []
    histograms = [s.histogram.prometheus for s in profile.services.values() if s.histogram]
    watching = [profile.monitoring.prometheus, profile.monitoring.alertmanager, profile.capacity.prometheus]
    texts.append(profile.monitoring.token.get_secret_value() if profile.monitoring.token else "")
    for header in (h.get_secret_value() for s in profile.services.values() for h in s.latency_headers.values()):
        texts += [header, header.partition(" ")[2]]  # behind "Bearer" or "Basic" it is a secret alone, too
    named = [s.url for s in profile.services.values()] + [s.url for s in profile.stores.values()]
    for url in [*named, *histograms, *watching]:
        if url and (password := urlsplit(url).password):
            texts.append(password)
    for store in profile.stores.values():
        match store:
            case QdrantStore(api_key=secret) | RedisStore(password=secret) | S3Store(secret_key=secret):
                texts.append(secret.get_secret_value() if secret else "")
    texts += [secret.get_secret_value() for probe in profile.probes.values() for secret in probe.variables.values()]
    return [text for text in texts if text]


def dsns_of(profile: Profile) -> list[str]:
    """Every connection string that leads to the platform's own databases."""
    found = [
        profile.database.dsn,
        *(service.dsn for service in profile.services.values()),
        *(standby.dsn for standby in profile.standbys.values()),
    ]
    return [secret.get_secret_value() for secret in found if secret]


def environments_of(profile: Profile) -> list[str]:
    """The connection strings of the platform's other environments; a drill may well write there."""
    return [e.dsn.get_secret_value() for e in profile.environments.values() if e.dsn.get_secret_value()]


def consoles_of(profile: Profile) -> list[str]:
    """The connection strings of what is no database: the poolers' consoles."""
    return [pooler.dsn.get_secret_value() for pooler in profile.poolers.values()]


_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def file_stem(name: str) -> str:
    """A name as part of a file name."""
    return _UNSAFE.sub("-", name).strip("-.") or "target"
