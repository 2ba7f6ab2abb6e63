"""The schema's documentation: whole, the same each time, harmless with whatever the names are, and stale when it is."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import stage
from conftest import Database
from readiness.facts.fingerprint import SchemaFingerprint
from readiness.facts.postgres import Postgres
from readiness.schemadoc import describe, html, markdown

SCHEMA = """
create type mood as enum ('calm', 'glad');
create table users (id uuid primary key, email text not null unique, mood mood default 'calm', tags text[]);
comment on table users is 'Who signs in';
comment on column users.email is 'Lower case';
create table orders (id bigint generated always as identity primary key, user_id uuid not null references users, twin bigint references orders);
create index orders_user on orders (user_id);
create table profiles (user_id uuid primary key references users, note text);
create table events (id int, at date) partition by range (at);
create table events_1 partition of events for values from ('2025-01-01') to ('2025-02-01');
alter table orders enable row level security;
create policy own on orders using (true);
create view recent as select * from orders;
create function total(a int) returns int language sql as 'select 1';
create table "Odd | <script>alert(1)</script> `x`" ("a b" int, "%s" text);
comment on table "Odd | <script>alert(1)</script> `x`" is '</td><img src=x onerror=alert(1)> [x](javascript:1) @all';
"""


def read(database: Database) -> SchemaFingerprint:
    postgres = Postgres(database.dsn())
    try:
        return SchemaFingerprint.of(postgres)
    finally:
        postgres.close()


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_what_a_reader_looks_up_is_there(embedded_database: Database):
    embedded_database.run(SCHEMA)
    doc = describe(read(embedded_database), title="Shop")
    text = markdown.render(doc)
    assert "Who signs in" in text
    assert "| `email` | `text` |  |  |  | Lower case |" in text
    assert "| `user_id` | `uuid` |  |  | FK |  |" in text
    assert "CREATE INDEX orders_user" in text
    assert "policy `own` for all" in text
    assert "`public.mood` (enum): `calm`, `glad`" in text
    assert "row level security" in text
    assert "1 partitions" in text
    assert "events_1" not in text
    diagram = text[text.index("erDiagram") : text.index("```", text.index("erDiagram"))]
    assert '"public.users" ||--o{ "public.orders" : "orders_user_id_fkey"' in diagram
    assert '"public.orders" |o--o{ "public.orders" : "orders_twin_fkey"' in diagram
    assert '"public.users" ||--o| "public.profiles" : "profiles_user_id_fkey"' in diagram  # at most one each
    assert "text[] tags" in diagram
    for line in diagram.splitlines()[1:]:  # every line is of a form that Mermaid reads
        assert re.fullmatch(
            r'    ("[^"\n]+" \{|\}|"[^"\n]+" [|o]{2}--[|o{]{2} "[^"\n]+" : "[^"\n]+"|    [A-Za-z][\w\[\]]* [A-Za-z]\w*( PK| FK| PK, FK)?)',
            line,
        ), line


def test_hostile_names_do_nothing(embedded_database: Database):
    embedded_database.run(SCHEMA)
    doc = describe(read(embedded_database), title="</title><script>")
    text, page = markdown.render(doc), html.render(doc)
    outside = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)<(script|img)", outside)
    assert not re.search(r"(?<!\\)\]\(javascript", outside)
    tags = Tags(page)
    assert not tags.found & {"script", "img", "iframe", "object", "link"}
    assert not {a for a in tags.attributes if a.startswith("on")}
    (svg,) = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    boxes = ET.fromstring(svg).findall("{http://www.w3.org/2000/svg}rect")
    assert len(boxes) == 2 * len(doc.tables)


def test_it_is_the_same_each_time_and_stale_when_the_schema_moved(embedded_database: Database, tmp_path: Path):
    env, dsn = stage.environment(tmp_path), embedded_database.dsn()
    embedded_database.run(SCHEMA)
    for name in ("schema.md", "schema.html"):
        made = stage.run("docs", "-d", dsn, "--output", name, env=env, cwd=tmp_path)
        assert made.code == 0, made.said
        fresh = stage.run("docs", "-d", dsn, "--output", name, "--check", env=env, cwd=tmp_path)
        assert fresh.code == 0, fresh.said
    embedded_database.run("alter table users add column more int")
    stale = stage.run("docs", "-d", dsn, "--output", "schema.md", "--check", env=env, cwd=tmp_path)
    assert stale.code == 1
    assert "stale" in stale.err
    assert stage.run("docs", "-d", dsn, "--check", env=env, cwd=tmp_path).code == 2
    folder = tmp_path / "db"
    folder.mkdir()
    (folder / "001_a.sql").write_text(
        "-- migrate:up\ncreate table only_here (id int);\n-- migrate:down\ndrop table only_here;\n"
    )
    replayed = stage.run("docs", "--migrations", folder, env=env, cwd=tmp_path)
    assert "### public.only_here\n" in replayed.out, replayed.said
