"""The drill of row level security: each hole is found and named, sound tables pass, nothing stays of what was tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import stage
from asking import ask, found
from conftest import Database
from readiness.drills import rls
from readiness.embedded import Cluster
from readiness.facts.catalog import TenantTables
from readiness.facts.drills import DrillRecord, DrillRecords
from readiness.facts.postgres import Postgres
from readiness.facts.target import Target
from readiness.facts.walls import TenantWalls
from readiness.history import open_store
from readiness.model import Examined, Unknown
from readiness.profile import Profile

WALL = "tenant = nullif(current_setting('app.tenant', true), '')::uuid"
A, B = "aaaaaaaa-0000-4000-8000-00000000000a", "bbbbbbbb-0000-4000-8000-00000000000b"

# Table -> what differs from a sound one (run after it is made), and what the drill says of it.
HOLES = {
    "sound": ("", ()),
    "disabled": (
        "alter table disabled disable row level security",
        ("app sees other tenants' rows: row level security is not enabled",),
    ),
    "for_all": (
        "create policy lets on for_all for select using (true)",
        ("app sees other tenants' rows: its policies let it",),
    ),
    "no_delete": (
        "drop policy del on no_delete",
        ("app may delete, and no policy lets it delete a tenant's own rows",),
    ),
    "any_delete": (
        "create policy lets on any_delete for delete using (true)",
        ("app deletes other tenants' rows: its policies let it",),
    ),
    "any_insert": (
        "create policy lets on any_insert for insert with check (true)",
        ("app inserts other tenants' rows: its policies let it",),
    ),
    "hands_over": (
        f"drop policy upd on hands_over; create policy upd on hands_over for update using ({WALL}) with check (true)",
        ("app hands rows over to another tenant: its policies let it",),
    ),
    "owned": (
        "alter table owned no force row level security; alter table owned owner to {app}",
        ("app sees other tenants' rows: it owns the table, and row level security isn't forced", "app may truncate it"),
    ),
    "around": (
        "create view leaky as select id, tenant from around; grant select on leaky to {app};"
        "create view counted as select count(*) as n from around; grant select on counted to {app};"
        "create view bound with (security_invoker = true) as select * from around; grant select on bound to {app};"
        "create function every() returns setof around language sql security definer as 'select * from public.around';"
        "create function one_of(uuid) returns setof around language sql security definer "
        "as 'select * from public.around where tenant = $1'",
        (
            "app sees other tenants' rows through the view public.leaky",
            "without a tenant app sees all of the view public.counted",
            "app sees other tenants' rows through the function public.every()",
            "app sees other tenants' rows through the function public.one_of(uuid)",
        ),
    ),
    "below": (
        "create table below_open (check (id > 9)) inherits (below); create table below_closed () inherits (below);"
        f"insert into below_open select 10 + i, x, 'x' from unnest('{{{{{A},{B}}}}}'::uuid[]) with ordinality as t (x, i);"
        "insert into below_closed (id, tenant) select 20 + id, tenant from below_open;"
        f"alter table below_closed enable row level security; create policy sel on below_closed for select using ({WALL});"
        "grant select, insert on below_open to {app}; grant select on below_closed to {app}",
        (
            "app sees other tenants' rows in public.below_open, asked by its own name",
            "app may insert in public.below_open by its own name, where no policy holds that back",
        ),
    ),
    "empty_is_all": (
        "drop policy sel on empty_is_all; create policy sel on empty_is_all for select "
        "using (coalesce(current_setting('app.tenant', true), '') = '' or tenant::text = current_setting('app.tenant', true))",
        ("app sees rows without a tenant set", "app sees rows with an empty tenant"),
    ),
    "empty_writes_all": (
        "".join(
            f"drop policy {p} on empty_writes_all; create policy {p} on empty_writes_all for {c} "
            f"(coalesce(current_setting('app.tenant', true), '') = '' or {WALL});"
            for p, c in (("ins", "insert with check"), ("upd", "update using"), ("del", "delete using"))
        ),
        tuple(
            f"app {verb} rows {how}: its policies let it"
            for verb in ("inserts", "changes", "deletes")
            for how in ("without a tenant set", "with an empty tenant")
        ),
    ),
    # A role that inherits nothing and may set another one; what is set for the role's own sessions.
    "by_set_role": (
        "create policy lets on by_set_role for select to {app}_other using (true);"
        "grant select on by_set_role to {app}_other",
        ("app (set role app_other) sees other tenants' rows: its policies let it",),
    ),
    "by_own_setting": (
        "create policy lets on by_own_setting for select using (current_setting('app.kind', true) = 'staff')",
        ("app sees other tenants' rows: its policies let it",),
    ),
    "asks_what_is_closed": (
        "create table members (tenant uuid); drop policy sel on asks_what_is_closed;"
        "create policy sel on asks_what_is_closed for select using (tenant in (select m.tenant from members as m))",
        ("app doesn't see a tenant's own rows: permission denied for table members",),
    ),
    # A view of a view, one whose owner has a policy of his own, one of what was kept.
    "behind_views": (
        "create view deep as select id, note from behind_views; create view top as select * from deep;"
        "alter view top owner to {app}_other; grant select on deep to {app}_other; grant select on top to {app};"
        "create policy rep on behind_views for select to {app}_other using (true);"
        "grant select on behind_views to {app}_other; create view told as select id, note from behind_views;"
        "alter view told owner to {app}_other; grant select on told to {app};"
        "create materialized view kept as select id, note from behind_views; create view of_kept as select * from kept;"
        "alter view of_kept owner to {app}_other; grant select on kept to {app}_other; grant select on of_kept to {app}",
        (
            *(f"without a tenant app sees all of the view public.{v}" for v in ("of_kept", "told", "top")),
            "app (set role app_other) sees other tenants' rows: its policies let it",
            "without a tenant app (set role app_other) sees all of the view public.deep",
            "without a tenant app (set role app_other) sees all of the view public.kept",
        ),
    ),
    "no_barrier": (
        f"create view filtered as select * from no_barrier where {WALL}; grant select on filtered to {{app}}",
        ("app reaches other tenants' rows behind the view public.filtered: it is no security barrier",),
    ),
    "through_views": (
        f"create view mine with (security_barrier) as select id, tenant, note from through_views where {WALL};"
        "grant select, insert, update, delete on mine to {app};"
        "create view bin as select id from through_views; grant delete on bin to {app}",
        (
            "app inserts other tenants' rows through the view public.mine",
            "app hands rows over to another tenant through the view public.mine",
            "app deletes other tenants' rows through the view public.bin",
        ),
    ),
    # Functions that name what reads the table, in capitals, or call one that does.
    "called": (
        "create view of_called as select * from called; create table called_2026 () inherits (called);"
        "create function by_view() returns setof called language sql security definer as 'select * from public.of_called';"
        "create function in_capitals() returns setof called language sql security definer as 'SELECT * FROM PUBLIC.CALLED';"
        "create function plain() returns setof called language sql as 'select * from public.called';"
        "create function by_function() returns setof called language plpgsql security definer "
        "as 'begin return query select * from public.plain(); end';"
        "create function by_part() returns setof called language sql security definer "
        "as 'select * from public.called_2026'; insert into called_2026 (id, tenant) select 10 + id, tenant from called",
        tuple(
            f"app sees other tenants' rows through the function public.{f}()"
            for f in ("by_function", "by_part", "by_view", "in_capitals")
        ),
    ),
    "made": (
        "alter table made drop column tenant cascade, add doc jsonb not null default '{{}}';"
        f"update made set doc = jsonb_build_object('t', case when id % 2 = 0 then '{A}' else '{B}' end);"
        "alter table made add tenant uuid generated always as ((doc ->> 't')::uuid) stored;"
        f"create policy sel on made for select using ({WALL}); create policy del on made for delete using ({WALL});"
        f"create policy upd on made for update using ({WALL}) with check (true);"
        "create policy ins on made for insert with check (true)",
        (
            "app inserts other tenants' rows: its policies let it",
            "app hands rows over to another tenant: its policies let it",
        ),
    ),
    # Walls of other kinds that hold.
    "holds": (
        f"drop policy sel on holds; create policy sel on holds for select using (true);"
        f"create policy strict on holds as restrictive for select using ({WALL});"
        f"create view own with (security_barrier) as select id, tenant, note from holds where {WALL} with check option;"
        "grant select, insert, update, delete on own to {app};"
        "create function touch() returns trigger language plpgsql as 'begin new.note := ''x''; return new; end';"
        "create trigger touch before insert or update on holds for each row execute function touch();"
        "create function claim() returns trigger language plpgsql as "
        "'begin new.tenant := current_setting(''app.tenant'')::uuid; return new; end';"
        "create trigger claim before insert on holds for each row execute function claim();"
        "create function any_left() returns bool language sql security definer as 'select exists (select from public.holds)'",
        (),
    ),
    "made_well": (
        "alter table made_well drop column tenant cascade, add doc jsonb not null default '{{}}';"
        f"update made_well set doc = jsonb_build_object('t', case when id % 2 = 0 then '{A}' else '{B}' end);"
        "alter table made_well add tenant uuid generated always as ((doc ->> 't')::uuid) stored;"
        f"create policy all_of_it on made_well using ({WALL})",
        (),
    ),
}


@pytest.fixture(scope="module")
def platform(debian_cluster: Cluster) -> Iterator[Database]:
    """Tables of two tenants, each with a hole of its own, and a role that works on them."""
    with stage.database(debian_cluster) as made:
        app = made.bare_role
        made.run(
            f"create role {app}_power bypassrls login; grant usage on schema public to {app}_power;"
            f"create role {app}_other; alter role {app} noinherit; grant {app}_other to {app};"
            f"grant usage, create on schema public to {app}_other;"
            f"alter role {app} in database {made.name} set app.kind = 'staff'"
        )
        for table, (change, _) in HOLES.items():
            made.run(f"""
                create table {table} (
                    id int primary key, tenant uuid not null, note text, n int generated always as (id * 2) stored
                );
                insert into {table} select i, case when i % 2 = 0 then '{A}' else '{B}' end::uuid, 'x'
                    from generate_series(1, 6) as i;
                alter table {table} enable row level security;
                alter table {table} force row level security;
                create policy sel on {table} for select using ({WALL});
                create policy ins on {table} for insert with check ({WALL});
                create policy upd on {table} for update using ({WALL});
                create policy del on {table} for delete using ({WALL});
                grant select, insert, update, delete on {table} to {app};
            """)
            made.run(change.format(app=app))
        yield made
        with made.connect() as admin:
            admin.execute(f"drop owned by {app}_power, {app}_other; drop role {app}_power, {app}_other".encode())


def lay(folder: Path, database: Database, *tables: str, roles: tuple[str, ...] = ()) -> Path:
    path = folder / "readiness.yaml"
    path.write_text(
        f"name: walled\nrow_security:\n  tables: [{', '.join(f'public.{t}' for t in tables)}]\n  column: tenant\n"
        f"  settings: {{app.tenant: '{{tenant}}'}}\n  roles: [{', '.join(roles or (database.bare_role,))}]\n"
    )
    return path


def drill(folder: Path, database: Database, *arguments: str, dsn: str = "") -> stage.Done:
    return stage.run(
        *("drill", "rls", "-d", dsn or database.dsn(), "--evidence", folder / "e.db", *arguments),
        env=stage.environment(folder),
        cwd=folder,
    )


def test_what_is_set_for_all_counts_and_what_is_set_for_the_drills_own_role_does_not(
    platform: Database, tmp_path: Path
):
    """A policy lets everybody in by a setting of the database's, which the superuser of the drill has otherwise."""
    platform.run(
        f"create table by_rank (id int primary key, tenant uuid not null); insert into by_rank values (1, '{A}'), (2, '{B}');"
        "alter table by_rank enable row level security; alter table by_rank force row level security;"
        f"create policy own on by_rank using ({WALL} or current_setting('app.rank', true) = 'high');"
        f"grant select on by_rank to {platform.bare_role}"
    )
    lay(tmp_path, platform, "by_rank")
    own = f"alter role current_user in database {platform.name} set app.rank ="
    try:
        platform.run(f"{own} 'high'")  # of the drill alone
        assert drill(tmp_path, platform).code == 0
        platform.run(f"alter database {platform.name} set app.rank = 'high'; {own} 'low'")
        done = drill(tmp_path, platform)
        assert done.code == 1
        assert "by_rank" in done.said
    finally:
        platform.run(
            f"drop table by_rank; alter database {platform.name} reset app.rank;"
            f"alter role current_user in database {platform.name} reset app.rank"
        )


def test_each_hole_is_found_and_named(platform: Database, tmp_path: Path):
    lay(tmp_path, platform, *HOLES)
    before = content(platform)
    done = drill(tmp_path, platform, "-f", "json")
    assert done.code == 1, done.said
    told = done.document
    for table, (_, expected) in HOLES.items():
        prefix = f"public.{table}: "
        findings = [
            f.removeprefix(prefix).replace(platform.bare_role, "app") for f in told["findings"] if f.startswith(prefix)
        ]
        for words in expected:
            assert any(f.startswith(words) for f in findings), (table, findings)
        # Nothing beside them: what a hole opens further (who sees all may write all) begins with its own words.
        if table not in ("disabled", "owned"):
            assert len(findings) == len(expected), (table, findings)
    assert not told["unproved"]
    assert content(platform) == before


def content(database: Database) -> list[object]:
    with database.connect() as admin:
        return [
            admin.execute(f"select array_agg(t order by id)::text from {t} as t".encode()).fetchone() for t in HOLES
        ]


def test_sound_tables_pass_and_the_next_audit_says_so_until_they_change(platform: Database, tmp_path: Path):
    walled = {
        "tables": ["public.sound"],
        "roles": [platform.bare_role],
        "column": "tenant",
        "settings": {"app.tenant": "{tenant}"},
    }
    profile = Profile.model_validate({"name": "walled", "row_security": walled})
    lay(tmp_path, platform, "sound")
    unasked = ask("security/row-security-unproven", platform.bare_dsn(), profile=profile)
    assert isinstance(unasked, Unknown)
    assert unasked.unlock == "readiness drill rls"
    done = drill(tmp_path, platform)
    assert (done.code, "PASSED; kept as rls-" in done.out) == (0, True), done.said

    store = open_store(tmp_path / "e.db", now=datetime.now(UTC))
    records = DrillRecords(records=tuple(store.drills("walled")), now=datetime.now(UTC))
    store.close()

    def outcome() -> object:
        return ask("security/row-security-unproven", platform.bare_dsn(), profile=profile, drills=records)

    assert isinstance(outcome(), Examined)
    assert found(outcome()) == set()  # type: ignore[arg-type]
    platform.run("create view late as select * from sound")
    changed = outcome()
    assert isinstance(changed, Unknown)
    assert "changed since" in changed.detail or any("changed since" in u.detail for u in changed.unseen)
    platform.run("drop view late")
    assert isinstance(outcome(), Examined)
    other = Profile.model_validate({"name": "walled", "row_security": {**walled, "settings": {"app.who": "{tenant}"}}})
    assert isinstance(
        ask("security/row-security-unproven", platform.bare_dsn(), profile=other, drills=records), Unknown
    )
    # What a policy asks, what is granted on a column, what is set for the role's sessions: each is part of the wall.
    app = platform.bare_role
    for change, back in (
        (
            f"revoke update on sound from {app}; grant update (note) on sound to {app}",
            f"revoke update (note) on sound from {app}; grant update on sound to {app}",
        ),
        (f"alter role {app} set app.kind = 'other'", f"alter role {app} reset app.kind"),
        (f"alter database {platform.name} set app.rank = '1'", f"alter database {platform.name} reset app.rank"),
        (
            "create trigger late before insert on sound for each row execute function touch()",
            "drop trigger late on sound",
        ),
    ):
        platform.run(change)
        assert isinstance(outcome(), Unknown), change
        platform.run(back)
        assert isinstance(outcome(), Examined), back
    platform.run("create function is_own(uuid) returns bool language sql as 'select $1 is null'")
    platform.run("create policy asks on sound as restrictive using (is_own(tenant) or true)")
    assert drill(tmp_path, platform).code == 0
    store = open_store(tmp_path / "e.db", now=datetime.now(UTC))
    records = DrillRecords(records=tuple(store.drills("walled")), now=datetime.now(UTC))
    store.close()
    assert isinstance(outcome(), Examined)
    platform.run("create or replace function is_own(uuid) returns bool language sql as 'select true'")
    assert isinstance(outcome(), Unknown)
    platform.run("drop policy asks on sound; drop function is_own(uuid)")


def test_a_finding_of_the_drill_fails_the_check(platform: Database):
    now = datetime.now(UTC)
    profile = Profile.model_validate({"name": "walled", "row_security": {"tables": ["public.sound", "public.gone"]}})
    tenants = TenantTables((("public", "sound"), ("public", "gone")))
    with closing(Postgres(platform.dsn())) as session:
        target = Target(profile=profile, folder=Path(), now=now)
        wall = TenantWalls.take(session, target, tenants).by_table["public.sound"]
    assert wall is not None
    record = DrillRecord(
        id="r",
        kind="rls",
        target="walled",
        system_identifier=None,
        taken_at=now,
        expires_at=now + timedelta(days=1),
        passed=False,
        evidence={"walls": [f"public.sound {wall.sha256}"], "findings": ["public.sound: a hole"]},
    )
    records = DrillRecords(records=(record,), now=now)
    outcome = ask("security/row-security-unproven", platform.dsn(), profile=profile, drills=records)
    assert found(outcome) == {"public.sound", "public.gone"}


def test_a_role_that_is_exempt_and_one_that_may_become_it(platform: Database, tmp_path: Path):
    power = f"{platform.bare_role}_power"
    lay(tmp_path, platform, "sound", roles=(power, platform.bare_role))
    platform.run(f"grant select on sound to {power}; grant {power} to {platform.bare_role}")
    done = drill(tmp_path, platform, "--no-evidence", "--read-only")
    platform.run(f"revoke all on sound from {power}; revoke {power} from {platform.bare_role}")
    assert done.code == 1, done.said
    assert f"{power} sees other tenants' rows: it has BYPASSRLS" in done.out
    assert f"{platform.bare_role} may become {power}" in done.out
    assert "what it may write was not tried" in done.out


def test_rows_that_tenants_share_are_no_leak_between_tenants_who_share_nothing(platform: Database, tmp_path: Path):
    third = "cccccccc-0000-4000-8000-00000000000c"
    platform.run(
        f"insert into sound values (7, '{third}', 'for all'); "
        f"create policy shared on sound for select using ({WALL} or tenant = '{third}')"
    )
    path = lay(tmp_path, platform, "sound")
    done = drill(tmp_path, platform, "--no-evidence", "--read-only")
    assert (done.code, "sees other tenants' rows" in done.out) == (1, True), done.said
    path.write_text(f"{path.read_text()}  tenants: ['{A}', '{B}']\n")
    done = drill(tmp_path, platform, "--no-evidence", "--read-only")
    platform.run("drop policy shared on sound; delete from sound where id = 7")
    assert done.code == 0, done.said


def test_what_can_not_be_tried_is_told(platform: Database, tmp_path: Path):
    platform.run("create table bare (id int, tenant uuid); create table untold (id int)")
    lay(tmp_path, platform, "bare", "absent")
    done = drill(tmp_path, platform, "--no-evidence")
    assert done.code == 1
    assert "FAIL public.absent: there is no such table" in done.out
    assert "not proved: public.bare: it holds no row of any tenant" in done.out
    platform.run(
        "create function wipe(int) returns void language sql security definer as 'delete from public.sound where id = $1';"
        "create function is_wise() returns bool language sql security definer as 'select exists (select from public.sound)'"
    )
    lay(tmp_path, platform, "sound")
    writer = drill(tmp_path, platform, "--no-evidence", "-f", "json").document["unproved"]
    assert [w for w in writer if "SECURITY DEFINER and may change rows, and was not called" in w] == writer
    assert ["wipe" in w for w in writer] == [True]
    platform.run("drop function wipe(int), is_wise()")
    # Ways around that can't be walked: text put together when it is called; what another relation's trigger or rule writes.
    app = platform.bare_role
    platform.run(f"""
        create function any_of(text) returns setof json language plpgsql security definer as
            'begin return query execute format(''select to_json(x) from %I as x'', $1); end';
        create table inbox (id int, tenant uuid); create table outbox (id int, tenant uuid);
        grant insert on inbox, outbox to {app};
        create function moves() returns trigger language plpgsql security definer as
            'begin insert into public.sound (id, tenant) values (new.id, new.tenant); return null; end';
        create trigger moves after insert on inbox for each row execute function moves();
        create rule also as on insert to outbox do also insert into sound (id, tenant) values (new.id, new.tenant);
        create procedure tell(inout told json) language plpgsql security definer as
            'begin select json_agg(s) into told from public.sound as s; end';
    """)
    around = drill(tmp_path, platform, "--no-evidence", "-f", "json").document["unproved"]
    assert sorted(line.replace(app, "app") for line in around) == [
        "public.sound: app may write to public.inbox, whose trigger moves writes here past the policies; look at it",
        "public.sound: app may write to public.outbox, whose rule also writes here past the policies; look at it",
        "public.sound: app: public.any_of(text) is SECURITY DEFINER and runs text put together when it is called; look at it",
        "public.sound: app: public.tell(INOUT told json) is SECURITY DEFINER and could not be called; look at it",
    ]
    platform.run(
        "drop function any_of(text); drop procedure tell(json); drop table inbox, outbox; drop function moves()"
    )
    assert drill(tmp_path, platform, "--no-evidence").code == 0
    lay(tmp_path, platform, "untold")
    assert "has no column 'tenant'" in drill(tmp_path, platform).err
    lay(tmp_path, platform, "sound", roles=("nobody_of_a_test",))
    assert "there is no role 'nobody_of_a_test'" in drill(tmp_path, platform).err
    lay(tmp_path, platform, "sound")
    weak = drill(tmp_path, platform, dsn=platform.bare_dsn())
    assert weak.code == 2
    assert "must see every row" in weak.err
    (tmp_path / "readiness.yaml").write_text("name: walled\n")
    assert drill(tmp_path, platform).code == 2
    platform.run("drop table bare, untold")


def test_what_belongs_to_a_tenant_by_another_table_is_tried_by_the_value_that_leads_there(
    platform: Database, tmp_path: Path
):
    """Notes belong to books and books to tenants: notes hold no tenant themselves."""
    app = platform.bare_role
    platform.run(f"""
        create table notes (id int primary key, book int not null);
        insert into notes select i, 1 + i % 6 from generate_series(1, 60) as i;
        alter table notes enable row level security;
        alter table notes force row level security;
        create policy own on notes using (book in (select s.id from sound as s));
        grant select, insert, update, delete on notes to {app};
    """)
    path = lay(tmp_path, platform, "notes")
    said = drill(tmp_path, platform)
    assert said.code == 2
    assert "public.notes has no column 'tenant'" in said.err
    own = "  columns: {public.notes: book}\n  owners: {public.notes: 'select id, tenant from sound'}\n"
    path.write_text(path.read_text() + own)
    said = drill(tmp_path, platform)
    assert (said.code, said.out.count("not proved")) == (0, 0), said.said
    platform.run("create policy lets on notes for select using (book > 3)")
    said = drill(tmp_path, platform)
    assert said.code == 1
    assert f"FAIL public.notes: {app} sees other tenants' rows: its policies let it" in said.out.replace(
        "app ", f"{app} "
    )
    path.write_text(path.read_text().replace("select id, tenant", "select id, nothing"))
    said = drill(tmp_path, platform)
    assert said.code == 2
    assert "row_security.owners: public.notes" in said.err


def test_walls_on_other_versions(older_cluster: Cluster):
    with stage.database(older_cluster) as made:
        app = made.bare_role
        made.run(f"""
            create table walled (id int primary key, tenant uuid not null, note text);
            insert into walled values (1, '{A}', 'x'), (2, '{B}', 'y');
            alter table walled enable row level security; alter table walled force row level security;
            create policy all_of_it on walled using ({WALL});
            grant select, insert, update, delete on walled to {app};
            create view leaky with (security_barrier) as select id, tenant, note from walled where {WALL};
            grant select, insert on leaky to {app};
            create function of_leaky() returns setof walled language sql security definer as 'select * from public.leaky';
        """)
        walled = {"tables": ["public.walled"], "roles": [app], "column": "tenant"}
        profile = Profile.model_validate({"name": "walled", "row_security": walled})
        with closing(Postgres(made.dsn())) as session:
            target = Target(profile=profile, folder=Path(), now=datetime.now(UTC))
            walls = TenantWalls.take(session, target, TenantTables((("public", "walled"),))).by_table
        declared = rls.Declared(columns={"public.walled": "tenant"}, settings={"app.tenant": "{tenant}"}, roles=[app])
        tried = rls.drill(made.dsn(), walls, declared)["public.walled"]
        assert tried.findings == [f"{app} inserts other tenants' rows through the view public.leaky"]
        assert not tried.unproved
