"""The drill of the audit trail: real pgAudit and triggers, each hole found and named, nothing stays of what was tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

import stage
from asking import ask, found
from conftest import DEBIAN, SETTINGS, Database
from readiness import embedded
from readiness.drills import audit_trail
from readiness.embedded import Cluster, Runtime
from readiness.facts.audit import AuditLogging, AuditTrails, Sessions
from readiness.facts.catalog import AuditedTables
from readiness.facts.drills import DrillRecords
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.history import open_store
from readiness.model import Examined, Unknown
from readiness.profile import Profile

NOTE = """
create table trail (at timestamptz default now(), what text, row_id text);
create function note() returns trigger language plpgsql security definer set search_path = pg_catalog, public as $$ begin
    insert into trail (what, row_id) values (tg_op, case tg_op when 'DELETE' then old.id when 'TRUNCATE' then null else new.id end);
    return null;
end $$;
create function forgets_deletes() returns trigger language plpgsql security definer as $$ begin
    if tg_op <> 'DELETE' then insert into public.trail (what) values (tg_op); end if;
    return null;
end $$;
create function touch() returns trigger language plpgsql as $$ begin new.n := 1; return new; end $$;
"""
SOUND = """
create trigger a after insert or update or delete on {t} for each row execute function note();
create trigger b after truncate on {t} execute function note();
"""

# Table -> what differs from a sound one (run after it is made), and what the drill says of it, beginnings.
HOLES = {
    "sound": ("", ()),
    # Near misses: only what changed nothing is left out; a condition on a trigger that is no trail's; a child refers to it.
    "near": (
        "drop trigger a on near; create trigger a after insert or delete on near for each row execute function note();"
        "create trigger c after update on near for each row when (old.* is distinct from new.*) execute function note();"
        "create trigger d before update on near for each row when (new.name = 'x') execute function touch();"
        "create table child (near_id int references near, n int); insert into child select id from near",
        (),
    ),
    "no_truncate": ("drop trigger b on no_truncate", ("owner: truncate leaves no trail: no trigger fires on it",)),
    "disabled": (
        "alter table disabled disable trigger a",
        tuple(f"app: {e} leaves no trail: disabled: a" for e in ("insert", "update", "delete")),
    ),
    "replica_only": (
        "alter table replica_only enable replica trigger b",
        ("owner: truncate leaves no trail: disabled: b",),
    ),
    "one_column": (
        "drop trigger a on one_column; create trigger a after insert or delete on one_column for each row execute function note();"
        "create trigger c after update of name on one_column for each row execute function note()",
        ("app: update of id, n leaves no trail: c leaves it out (update of name)",),
    ),
    "conditional": (
        "drop trigger a on conditional; create trigger a after insert or update on conditional "
        "for each row when (new.n < 100) execute function note();"
        "create trigger c after delete on conditional for each row execute function note()",
        (
            "app: insert leaves a trail only as a trigger's condition lets it: a when (new.n < 100)",
            "app: update leaves a trail only as a trigger's condition lets it: a when (new.n < 100)",
        ),
    ),
    "hides": (
        "drop trigger a on hides; create trigger a after insert or update or delete on hides "
        "for each row when (session_user <> '{app}') execute function note()",
        tuple(f"app: {e} leaves no trail: a leaves it out (when (SESSION_USER" for e in ("insert", "update", "delete")),
    ),
    "forgets": (
        "drop trigger a on forgets; create trigger a after insert or update or delete on forgets "
        "for each row execute function forgets_deletes()",
        ("app: delete leaves no trail: a adds no row to a trail",),
    ),
}


@pytest.fixture(scope="module")
def audited_cluster() -> Iterator[Cluster]:
    """PostgreSQL 15 with pgAudit loaded, and its log collected."""
    if not (DEBIAN.parent / "lib" / "pgaudit.so").exists():
        pytest.skip("Debian's postgresql-15-pgaudit is not installed")
    settings = SETTINGS | {
        "shared_preload_libraries": "pgaudit",
        "logging_collector": "on",
        "log_filename": "server.log",
    }
    with embedded.cluster(Runtime(DEBIAN), settings=settings, fast=True, purpose="test") as made:
        yield made


@pytest.fixture(scope="module")
def platform(audited_cluster: Cluster) -> Iterator[Database]:
    """Audited tables, each with a hole of its own, and a role that works on them."""
    with stage.database(audited_cluster) as made:
        made.run(NOTE)
        for table, (change, _) in HOLES.items():
            made.run(
                f"create table {table} (id int primary key, name text, n int); insert into {table} values (1, 'a', 1), (2, 'b', 2);"
                f"grant select, insert, update, delete on {table} to {made.bare_role};" + SOUND.format(t=table)
            )
            made.run(change.format(app=made.bare_role))
        made.run("create table plain (id int primary key, name text); insert into plain values (1, 'a')")
        made.run(f"grant select, insert, update, delete, truncate on plain to {made.bare_role}")
        yield made


def lay(folder: Path, database: Database, *tables: str, **audit: Any) -> Profile:
    told = {
        "name": "audited",
        "audit": {"tables": [f"public.{t}" for t in tables], "roles": [database.bare_role], **audit},
    }
    (folder / "readiness.yaml").write_text(yaml.safe_dump(told))
    return Profile.model_validate(told)


def drill(folder: Path, database: Database, *arguments: str, dsn: str = "") -> stage.Done:
    return stage.run(
        *("drill", "audit-trail", "-d", dsn or database.dsn(), "--evidence", folder / "e.db", *arguments),
        env=stage.environment(folder),
        cwd=folder,
    )


def told(done: stage.Done, database: Database, subject: str, kind: str = "findings") -> list[str]:
    lines = [f.removeprefix(f"{subject}: ") for f in done.document[kind] if f.startswith(f"{subject}: ")]
    return [f.replace(database.bare_role, "app").replace("postgres: ", "owner: ") for f in lines]


def content(database: Database, *tables: str) -> list[object]:
    with database.connect() as admin:
        return [
            admin.execute(f"select array_agg(t order by id)::text from {t} as t".encode()).fetchone() for t in tables
        ] + [admin.execute("select count(*) from trail").fetchone()]


def test_each_hole_of_triggers_is_found_and_named(platform: Database, tmp_path: Path):
    lay(tmp_path, platform, *HOLES)
    before = content(platform, *HOLES)
    done = drill(tmp_path, platform, "-f", "json")
    assert done.code == 1, done.said
    assert not done.document["unproved"]
    for table, (_, expected) in HOLES.items():
        findings = told(done, platform, f"public.{table}")
        assert len(findings) == len(expected), (table, findings)
        for line, words in zip(findings, expected, strict=True):
            assert line.startswith(words), (table, findings)
    assert told(done, platform, "public.sound", "recorded_by") == ["public.trail"]
    assert content(platform, *HOLES) == before


def test_what_takes_the_trail_away_or_silences_it_is_found(platform: Database, tmp_path: Path):
    app = platform.bare_role
    platform.run(f"""
        create table cascades (id int primary key, name text);
        insert into cascades values (1, 'a'), (2, 'b');
        create table its_trail (row_id int references cascades on delete cascade, what text);
        create function keep() returns trigger language plpgsql security definer as $$ begin
            insert into public.its_trail values (case when tg_op in ('INSERT', 'UPDATE') then new.id end, tg_op);
            return null;
        end $$;
        create trigger a after insert or update or delete on cascades for each row execute function keep();
        create trigger b after truncate on cascades execute function keep();
        grant select, insert, update, delete, truncate on cascades to {app};
        grant insert, delete, truncate on its_trail to {app};
        grant set on parameter session_replication_role to {app};
    """)
    lay(tmp_path, platform, "cascades")
    done = drill(tmp_path, platform, "-f", "json")
    assert told(done, platform, "public.cascades") == [
        "app: delete takes rows out of the trail public.its_trail",
        "app: truncate takes rows out of the trail public.its_trail",
        "app may delete, truncate the trail public.its_trail itself",
        "app may set session_replication_role, and so silence the trail",
    ]
    platform.run(f"""
        revoke set on parameter session_replication_role from {app};
        revoke delete, truncate on its_trail from {app};
        alter table its_trail drop constraint its_trail_row_id_fkey;
        alter role {app} set session_replication_role = replica;
    """)
    done = drill(tmp_path, platform, "-f", "json")
    platform.run(f"alter role {app} reset session_replication_role")
    assert [f[:72] for f in told(done, platform, "public.cascades")] == [
        f"app: {e} leaves no trail: session_replication_role = replica silences"[:72]
        for e in ("insert", "update", "delete", "truncate")
    ]
    assert drill(tmp_path, platform, "--no-evidence").code == 0


def test_pgaudit_by_class_by_object_by_role_and_where_its_lines_go(platform: Database, tmp_path: Path):
    app = platform.bare_role
    profile = lay(tmp_path, platform, "plain")

    def both(*changes: str) -> tuple[list[str], set[str]]:
        """What the drill and the check say, with settings that end with it."""
        platform.run("; ".join(changes))
        target = Target(profile=profile, folder=tmp_path, now=datetime.now(UTC))
        with closing(Postgres(platform.dsn())) as session:
            logging = AuditLogging.take(session, target)
            tables = AuditTrails.take(session, AuditedTables.take(target), logging).by_table
        tried = audit_trail.drill(platform.dsn(), tables, logging, audit_trail.Declared(roles=[app]))["public.plain"]
        assert not tried.unproved
        lacks = ask("security/audit-trail-missing", platform.dsn(), profile=profile)
        assert isinstance(lacks, Examined)
        missing = {w for o in lacks.findings for w in str(o.evidence["not_covered"]).replace(app, "app").split(", ")}
        return [f.replace(app, "app") for f in tried.findings], missing

    database = f"alter database {platform.name}"
    every = {"insert", "update", "delete", "truncate"}
    assert both()[1] == every
    assert both(f"{database} set pgaudit.log = 'ddl, read'")[1] == every
    assert both(f"{database} set pgaudit.log = 'write, ddl'") == ([], set())
    assert both(f"{database} set pgaudit.log = 'all, -write'")[1] == every
    findings, missing = both(
        f"{database} set pgaudit.log = 'write, none'", f"alter role {app} set pgaudit.log = 'none'"
    )
    assert findings == [
        f"app: {e} leaves no trail: no trigger fires on it; pgaudit.log = none"
        for e in ("insert", "update", "delete", "truncate")
    ]
    assert missing == {f"{e} by app" for e in every}
    # What is set for the role in this database goes before what is set for it anywhere.
    assert both(f"alter role {app} in database {platform.name} set pgaudit.log = 'write'") == ([], set())
    platform.run(
        f"alter role {app} in database {platform.name} reset all; alter role {app} reset all; {database} reset all"
    )

    auditor = f"{app}_auditor"
    platform.made_roles.append(auditor)
    findings, missing = both(
        f"create role {auditor}; {database} set pgaudit.role = '{auditor}'; grant insert, update, delete on plain to {auditor}"
    )
    assert [f.partition(":")[2][:25] for f in findings] == [" truncate leaves no trail"]
    assert missing == {"truncate"}
    findings, missing = both(f"revoke delete on plain from {auditor}; grant delete on plain to public")
    assert missing == {"delete", "truncate"}, "PUBLIC's rights are nobody's object logging"
    assert len(findings) == 2
    platform.run(f"revoke all on plain from {auditor}; revoke all on plain from public; {database} reset pgaudit.role")

    # Told to the client at a level that the server's log leaves out.
    findings, missing = both(
        f"{database} set pgaudit.log = 'write'; {database} set pgaudit.log_client = on; {database} set pgaudit.log_level = notice"
    )
    assert missing == every
    assert all("doesn't reach the log (log_min_messages = warning)" in f for f in findings)
    assert len(findings) == 4
    assert both(f"{database} set pgaudit.log_level = warning") == ([], set())
    platform.run(f"{database} reset all")


def test_classes_and_events(platform: Database, tmp_path: Path):
    app = platform.bare_role
    events = {
        "login": {"sql": "update sound set n = n + 1 where id = 1", "role": app, "leaves": "public.trail"},
        "export": {"sql": ["select 1", "select * from plain"], "role": app},
        "lost": {"sql": "insert into plain values (7, 'x')", "role": app, "leaves": "public.trail"},
    }
    profile = lay(
        tmp_path, platform, classes=["read", "write", "function", "role", "ddl", "misc", "misc_set"], events=events
    )
    platform.run(
        f"alter database {platform.name} set pgaudit.log = 'all'; alter role {app} set pgaudit.log = 'write, ddl'"
    )
    done = drill(tmp_path, platform, "-f", "json")
    classes = ask("security/audit-class-not-logged", platform.dsn(), profile=profile)
    platform.run(f"alter database {platform.name} reset all; alter role {app} reset all")
    assert not done.document["unproved"]
    silent = {"read", "function", "role", "misc", "misc_set"}
    assert {f for f in done.document["findings"] if f.startswith("class")} == {
        f"class {c}: {app}: it is not logged: pgaudit.log = write, ddl" for c in silent
    }
    assert found(classes) == {f"pgaudit.log {c}" for c in silent}
    assert told(done, platform, "event login") == []
    assert told(done, platform, "event export") == ["it leaves no record: no row in a trail, and no line of pgAudit's"]
    assert told(done, platform, "event lost") == ["it leaves no row in public.trail"]
    undeclared = ask("security/audit-class-not-logged", platform.dsn(), profile=lay(tmp_path, platform))
    assert isinstance(undeclared, Unknown)


def test_the_next_audit_believes_it_until_something_changes(platform: Database, tmp_path: Path):
    profile = lay(tmp_path, platform, "sound", "forgets", events={"login": {"sql": "update sound set n = 5"}})

    def outcome() -> Any:
        records = DrillRecords(now=datetime.now(UTC))
        if (tmp_path / "e.db").exists():
            store = open_store(tmp_path / "e.db", now=datetime.now(UTC))
            records = DrillRecords(records=tuple(store.drills("audited")), now=datetime.now(UTC))
            store.close()
        return ask("security/audit-trail-unproven", platform.dsn(), profile=profile, drills=records)

    unasked = outcome()
    assert isinstance(unasked, Unknown)
    assert unasked.unlock == "readiness drill audit-trail"
    done = drill(tmp_path, platform)
    assert (done.code, "FAILED; kept as audit-trail-" in done.out) == (1, True), done.said
    assert found(outcome()) == {"public.forgets"}
    platform.run(
        "create or replace function forgets_deletes() returns trigger language plpgsql security definer as "
        "$$ begin insert into public.trail (what) values (tg_op); return null; end $$"
    )
    assert isinstance(outcome(), Unknown)
    assert drill(tmp_path, platform).code == 0
    assert isinstance(outcome(), Examined)
    assert found(outcome()) == set()
    platform.run("alter table sound disable trigger b")
    assert isinstance(outcome(), Unknown)
    platform.run("alter table sound enable trigger b")
    assert isinstance(outcome(), Examined)


def test_rows_that_are_hard_to_copy_and_walls_of_tenants(database: Database, tmp_path: Path):
    """Keys that refer elsewhere, an expression's uniqueness, an exclusion, row level security, partitions, no key at all."""
    app = database.bare_role
    database.run(NOTE)
    database.run("""
        create table users (id uuid primary key default gen_random_uuid(), email varchar(20) not null check (email like '%@%'),
            kind text check (kind in ('a', 'b')), seen timestamptz default now(), tags text[], extra jsonb, doc json,
            big numeric default 123456789012345678901234567890.123456789);
        create unique index on users (lower(email));
        insert into users (email, kind) values ('someone@example.com', 'a');
        create table profiles (id uuid primary key references users on delete cascade, tenant int not null, bio text,
            whole int generated always as (tenant * 2) stored, serial int generated always as identity);
        insert into profiles select id, 1, 'x' from users;
        create table notes (id int primary key, owner uuid references profiles);
        insert into notes select 1, id from users;
        alter table notes enable row level security;
        create policy of_profile on notes using (owner in (select p.id from profiles as p where false));
        alter table profiles enable row level security;
        alter table profiles force row level security;
        create policy own on profiles using (tenant = current_setting('app.tenant')::int);
        create table parts (id int, at date not null, primary key (id, at)) partition by range (at);
        create table parts_1 partition of parts for values from ('2020-01-01') to ('2099-01-01');
        insert into parts values (1, '2024-01-01');
        create table keyless (id text, n int);
        insert into keyless values ('k', 1), ('l', 2);
        create table empty (id int);
    """)
    tables = ("users", "profiles", "notes", "parts", "keyless")
    for t in tables:
        database.run(f"grant select, insert, update, delete on {t} to {app};" + SOUND.format(t=t))
    told = {
        "name": "audited",
        "audit": {"tables": [f"public.{t}" for t in (*tables, "empty")], "roles": [app]},
        "row_security": {"tables": ["public.profiles"], "column": "tenant", "settings": {"app.tenant": "{tenant}"}},
    }
    (tmp_path / "readiness.yaml").write_text(yaml.safe_dump(told))
    done = drill(tmp_path, database, "-f", "json")
    assert done.code == 1, done.said
    assert [f.replace(database.cluster.superuser, "owner") for f in done.document["findings"]] == [
        "public.empty: owner: truncate leaves no trail: no trigger fires on it"
    ]
    assert done.document["unproved"] == ["public.empty: it holds no row that a change could be tried with"]
    with database.connect() as admin:
        assert admin.execute("select count(*) from trail").fetchone() == (0,)
        assert admin.execute("select count(*) from users").fetchone() == (1,)
    # A partition's own name is a way past the triggers for statements of its table.
    lay(tmp_path, database, "parts")
    assert drill(tmp_path, database, "--no-evidence").code == 0
    database.run(f"grant truncate on parts_1 to {app}")
    found = drill(tmp_path, database, "--no-evidence", "-f", "json").document["findings"]
    assert [f.replace(app, "app") for f in found] == [
        "public.parts: app: truncate of public.parts_1 by its own name leaves no trail: no trigger of its own fires on it"
    ]
    database.run("create trigger b after truncate on parts_1 execute function note()")
    assert drill(tmp_path, database, "--no-evidence").code == 0


def test_what_can_not_be_tried_is_told(embedded_database: Database, tmp_path: Path):
    database = embedded_database
    database.run("create table t (id int); insert into t values (1)")
    lay(tmp_path, database, "t", "absent")
    done = drill(tmp_path, database, "--no-evidence", "--no-truncate")
    assert done.code == 1
    assert "FAIL public.absent: there is no such table" in done.out
    assert "not proved: public.t: truncate was not tried (--no-truncate)" in done.out
    lay(tmp_path, database, "t", trails=["public.none"])
    assert "there is no table public.none" in drill(tmp_path, database).err
    lay(tmp_path, database, "t", roles=["nobody_of_a_test"])
    assert "there is no role 'nobody_of_a_test'" in drill(tmp_path, database).err
    database.run(f"grant pg_monitor to {database.bare_role}")
    lay(tmp_path, database, "t")
    weak = drill(tmp_path, database, dsn=database.bare_dsn())
    assert (weak.code, "a superuser has to run it" in weak.err) == (2, True), weak.said
    (tmp_path / "readiness.yaml").write_text("name: audited\n")
    assert drill(tmp_path, database).code == 2


@pytest.mark.parametrize(
    ("setting", "classes"),
    [
        ("none", set()),
        ("write, none", {"write"}),
        ("all, -write", {"read", "function", "role", "ddl", "misc", "misc_set"}),
        ("-all, Write", {"write"}),
        ('"write", ddl', {"write", "ddl"}),
    ],
)
def test_classes_are_read_as_pgaudit_reads_them(setting: str, classes: set[str]):
    sessions = Sessions(role=None, settings={"pgaudit.log": setting})
    assert sessions.classes == classes
