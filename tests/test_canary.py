"""A password that sings wherever it is seen: planted in every place that one can be in, it is in nothing that leaves."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from psycopg import conninfo, sql

import stage
from conftest import Database
from readiness.embedded import Cluster

# Each part of it is enough to be recognised: half a password in an error message is a leak too.
CANARY = "kanari1/kanari2@kanari3#kanari4'kanari5 kanari6%\"kanari7\\ü"
ENCODED = quote(CANARY, safe="")
PLAIN = "kanari8kanari9"  # where a shape needs a plain word


def songs() -> list[bytes]:
    """What must not be found: any part, and the whole in base64, wherever it begins in the encoded text."""
    found = [b"kanari"]
    for secret in (CANARY.encode(), PLAIN.encode()):
        for shift in range(3):
            found.append(base64.b64encode(b"\0" * shift + secret)[4 if shift else 0 : 20])
    return found


def heard(raw: bytes) -> str | None:
    for song in songs():
        at = raw.lower().find(song) if song == b"kanari" else raw.find(song)
        if at >= 0:
            return raw[max(0, at - 120) : at + 60].decode("utf-8", "replace")
    return None


@dataclass
class Scene:
    """A folder that a command works in; what lies in `inputs` is ours, all else came of the command."""

    folder: Path
    database: Database
    env: dict[str, str]
    inputs: set[str] = field(default_factory=set)

    def give(self, name: str, text: str, *, mode: int = 0o600) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        self.inputs.add(name)
        return path

    def run(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> stage.Done:
        done = stage.run(*arguments, env=self.env | dict(env or {}), cwd=self.folder)
        self.listen(done)
        return done

    def score(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> stage.Done:
        """An audit with a report in every format, all on the screen, and kept."""
        reports = ("-f", "json", "-o", "out.json", "-f", "markdown", "-o", "out.md", "-f", "console", "-o", "out.txt")
        command = ("score", "--verbose", "--policy", "policy.yaml", "--evidence", "evidence.db", *reports, *arguments)
        return self.run(*command, env=env)

    def listen(self, done: stage.Done) -> None:
        assert heard(done.out.encode()) is None, f"stdout: {heard(done.out.encode())}"
        assert heard(done.err.encode()) is None, f"stderr: {heard(done.err.encode())}"
        for path in self.folder.rglob("*"):
            if path.is_file() and str(path.relative_to(self.folder)) not in self.inputs:
                song = heard(path.read_bytes())
                assert song is None, f"{path.name}: {song}"

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "out.json").read_text())
        return found


@pytest.fixture(scope="module")
def database(debian_cluster: Cluster) -> Iterator[Database]:
    """On the server with TLS: libpq may try twice there."""
    with stage.database(debian_cluster) as made:
        with made.connect() as admin:
            admin.execute(
                sql.SQL("alter role {} password {}").format(sql.Identifier(made.bare_role), sql.Literal(CANARY))
            )
        made.run(
            "create table public.parents (id int primary key); create table public.t (id int references public.parents)"
        )
        yield made


@pytest.fixture
def scene(tmp_path: Path, database: Database) -> Scene:
    folder = tmp_path / "scene"
    folder.mkdir()
    made = Scene(folder, database, stage.environment(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    made.give("policy.yaml", stage.PLAIN + "\n")
    return made


def parts(database: Database, **own: str) -> dict[str, str]:
    return {
        "host": "127.0.0.1",
        "port": str(database.cluster.port),
        "dbname": database.name,
        "user": database.bare_role,
    } | own


def without_password(database: Database, **own: str) -> str:
    return conninfo.make_conninfo("", **parts(database, **own))


def uri(database: Database, password: str = ENCODED, **own: str) -> str:
    p = parts(database, **own)
    return f"postgresql://{p['user']}:{password}@{p['host']}:{p['port']}/{p['dbname']}"


SOURCES = ["uri", "keywords", "environment", "passfile", "home passfile", "service", "variable", "profile"]


def plant(scene: Scene, source: str, **own: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """The password in one of the places that libpq or the profile take it from: arguments, and environment."""
    database = scene.database
    p = parts(database, **own)
    match source:
        case "uri":
            return ("-d", uri(database, **own)), {}
        case "keywords":
            return ("-d", conninfo.make_conninfo("", password=CANARY, **p)), {}
        case "environment":
            return ("-d", without_password(database, **own)), {"PGPASSWORD": CANARY}
        case "passfile" | "home passfile":
            line = ":".join(["*", "*", "*", "*", CANARY.replace("\\", "\\\\").replace(":", "\\:")]) + "\n"
            if source == "passfile":
                path = scene.give("passfile", f"# a comment\nother:1:x:y:{PLAIN}\n{line}")
                return ("-d", without_password(database, **own)), {"PGPASSFILE": str(path)}
            home = Path(scene.env["HOME"]) / ".pgpass"
            home.write_text(line)
            home.chmod(0o600)
            return ("-d", without_password(database, **own)), {}
        case "service":
            text = "".join(f"{k}={v}\n" for k, v in p.items())
            path = scene.give("services.conf", f"[other]\npassword={PLAIN}\n[mine]\n{text}password={CANARY}\n")
            return ("-d", "service=mine"), {"PGSERVICEFILE": str(path)}
        case "variable":
            scene.give("readiness.yaml", "name: p\ndatabase: {dsn: '${DATABASE_URL}'}\n")
            return (), {"DATABASE_URL": uri(database, **own)}
        case "profile":
            scene.give("readiness.yaml", "name: p\ndatabase:\n  dsn: " + json.dumps(uri(database, **own)) + "\n")
            return (), {}
    raise AssertionError(source)


# -- the password is right, wrong, or of no use ----------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_an_audit_that_succeeds(scene: Scene, source: str):
    arguments, env = plant(scene, source)
    done = scene.score(*arguments, env=env)
    assert done.code in (0, 1, 3), done.err
    assert scene.document["target"]["role"] == scene.database.bare_role


@pytest.mark.parametrize("source", SOURCES)
def test_a_password_that_is_wrong(scene: Scene, source: str):
    arguments, env = plant(scene, source, user="postgres")
    done = scene.score(*arguments, env=env)
    assert (done.code, done.out) == (4, "")
    assert "password authentication failed" in done.err
    assert "Traceback" in done.err


@pytest.mark.parametrize("source", ["uri", "service", "profile"])
@pytest.mark.parametrize(
    "own",
    [{"port": "1"}, {"host": "no-such-host.invalid"}, {"dbname": "nowhere"}],
    ids=["down", "no host", "no database"],
)
def test_a_server_that_is_not_there(scene: Scene, source: str, own: dict[str, str]):
    arguments, env = plant(scene, source, **own)
    assert scene.score(*arguments, env=env).code == 4


def test_every_other_command(scene: Scene):
    plant(scene, "profile")
    scene.give(
        "readiness.yaml",
        (scene.folder / "readiness.yaml").read_text()
        + f"services: {{auth: {{dsn: {json.dumps(uri(scene.database))}, url: 'http://me:{ENCODED}@127.0.0.1:1'}}}}\n"
        + f"standbys: {{a: {{dsn: {json.dumps(uri(scene.database, port='1'))}}}}}\n"
        + f"environments: {{b: {{dsn: {json.dumps(uri(scene.database, port='1'))}}}}}\n"
        + f"capacity: {{prometheus: 'http://me:{ENCODED}@127.0.0.1:1', queries: {{connections: up}}}}\n",
    )
    scene.score()
    for command in (("doctor",), ("role-sql",), ("checks",)):
        done = scene.run(*command, "--policy", "policy.yaml")
        assert done.code in (0, 1), done.err
    assert scene.run("profile", "check").code == 0
    assert scene.run("init").code in (0, 1, 2)


def test_a_saved_run_holds_nothing_to_render(scene: Scene):
    arguments, env = plant(scene, "uri")
    scene.score(*arguments, env=env)
    for name in ("console", "markdown", "json"):
        assert scene.run("report", "out.json", "-f", name).code == 0


# -- the connection string is none -----------------------------------------------------------------------------

MALFORMED = [
    "postgresql://me:{c}@127.0.0.1/d",
    "postgresql://me:kanari1/kanari2@127.0.0.1/d",
    "postgresql://me:kanari1@kanari2@127.0.0.1/d",
    "postgresql://me:kanari1@kanari2:kanari3@127.0.0.1/d",
    "postgresql://me:kanari1#kanari2?kanari3@127.0.0.1/d",
    "postgresql://me:12345/kanari1@127.0.0.1/d",
    "postgresql://me:1/kanari1",
    "postgresql://me:%zzkanari1@127.0.0.1/d",
    "postgresql://me:kanari1%@127.0.0.1/d",
    "postgresql://me:kanari1@[::1/d",
    "postgresql://me:kanari1@127.0.0.1:port/d",
    "postgresql://me:kanari1@127.0.0.1:99999999/d",
    "postgresql://me:kanari1@127.0.0.1/d?kanari2=1",
    "postgresql://me:kanari1@127.0.0.1/d?password=kanari2&x",
    "postgres://kanari1@kanari2@127.0.0.1:1/d",
    "mysql://me:kanari1@127.0.0.1/d",
    "host=127.0.0.1 password=kanari1 kanari2",
    "host=127.0.0.1 password='kanari1",
    "host=127.0.0.1 pasword=kanari1",
    "host=127.0.0.1 port=kanari1",
    "password={c}",
    "kanari1",
]


@pytest.mark.parametrize("dsn", MALFORMED)
@pytest.mark.parametrize("where", ["command line", "profile"])
def test_a_connection_string_that_falls_apart(scene: Scene, dsn: str, where: str):
    dsn = dsn.replace("{c}", CANARY)
    arguments: tuple[str, ...] = ("-d", dsn)
    if where == "profile":
        scene.give(
            "readiness.yaml",
            "name: p\ndatabase: {dsn: '${URL}'}\nservices: {auth: {dsn: '${URL}'}}\nstandbys: {a: {dsn: '${URL}'}}\n"
            "environments: {b: {dsn: '${URL}'}}\n",
        )
        arguments = ()
    done = scene.score(*arguments, env={"URL": dsn})
    assert done.code in (2, 4), done.said
    assert done.out == ""


def test_a_connection_string_as_a_word_too_many(scene: Scene):
    for word in (uri(scene.database), f"host=h password={PLAIN}", f"--databse={uri(scene.database)}"):
        done = scene.run("score", word)
        assert (done.code, done.out) == (2, "")


# -- the configuration around it is broken ---------------------------------------------------------------------

BROKEN = [
    "name: p\ndatabase: {dsn: SECRET\n",
    "name: p\ndatabase:\n  dsn: 'SECRET\n",
    'name: p\ndatabase:\n  dsn: "SECRET\\q"\n',
    "name: p\ndatabase:\n  dsn: SECRET: x\n",
    "name: p\ndatabase:\n\tdsn: SECRET\n",
    "name: p\ndatabase:\n  dsn: [SECRET]\n",
    "name: p\ndatabase:\n  dsn: {SECRET: 1}\n",
    "name: p\ndatabase:\n  dsn: &a SECRET\n",
    "name: p\ndatabase:\n  dsn: !secret SECRET\n",
    "name: p\ndatabase:\n  dsn: SECRET\n  dsn: SECRET\n",
    "name: p\ndatabase:\n  password: SECRET\n",
    "name: p\ndatabase:\n  dsn:SECRET\n",
    "name: p\ndatabase: SECRET\n",
    "name: p\nservices: {auth: {url: 'http://me:SECRET@127.0.0.1:99999'}}\n",
    "name: p\nservices: {auth: {url: 'ftp://me:SECRET@127.0.0.1'}}\n",
    "name: p\nservices: {auth: {url: 'http://me:SECRET@ x'}}\n",
    "name: p\nservices: {auth: {dsn: SECRET, port: 1}}\n",
    "- SECRET\n",
    "SECRET\n",
    "name: p\ndatabase: {dsn: SECRET}\n\0",
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_configuration_that_is_broken_around_it(scene: Scene, text: str):
    """As a connection string, which has the shape of a secret; and as a bare word where YAML itself refuses the file."""
    scene.give("readiness.yaml", text.replace("SECRET", f"postgresql://me:{PLAIN}@h/d" if "://" not in text else PLAIN))
    done = scene.score()
    assert (done.code, done.out) == (2, ""), done.said
    assert "readiness: readiness.yaml" in done.err


def test_a_variable_is_named_and_not_shown(scene: Scene):
    for text in (
        "name: p\ntargets: {connections: '${X}'}\n",
        "name: p\nservices: {auth: {url: '${X}'}}\n",
        "name: '${X}'\n",
        "name: p\nservices: {auth: {pool: {max: '${X}'}}}\n",
        "name: p\nstores: {s: {kind: '${X}'}}\n",
    ):
        scene.give("readiness.yaml", text)
        for value in (CANARY, f"{PLAIN}\n{PLAIN}"):
            done = scene.score(env={"X": value})
            assert (done.code, done.out) == (2, "")


# -- what checks see and say -----------------------------------------------------------------------------------


def test_a_check_that_says_it_in_every_way(scene: Scene):
    """An error's text, names, evidence, remedies: raw and in every encoding that it travels in."""
    forms = {
        "raw": CANARY,
        "percent": ENCODED,
        "json": json.dumps(CANARY)[1:-1],
        "base64": base64.b64encode(CANARY.encode()).decode(),
        "sql": CANARY.replace("'", "''"),
        "uri": uri(scene.database),
    }
    literals = {k: "'" + v.replace("'", "''") + "'" for k, v in forms.items()}
    rows = ", ".join(f"({v} || 'x{k}', {v})" for k, v in literals.items())
    broken = literals["raw"]
    own = 'raise RuntimeError("the password is " + ' + repr(CANARY) + ")"
    stage.write_pack(
        scene.folder / "pack",
        {
            "schema/says.sql": stage.sql_check(
                f"select v.a as subject, false as ok, v.b as remedy, v.b as told, array[v.b] as listed from (values {rows}) as v (a, b)"
            ),
            "schema/breaks.sql": stage.sql_check(f"select 'a' as subject, {broken}::int = 1 as ok"),
            "schema/hides.sql": stage.sql_check(
                f"select {broken} as subject, null::bool as ok, 'locked' as unseen, {broken} as unlock"
            ),
            "schema/raises.py": stage.python_check(own, name="raises"),
        },
    )
    scene.inputs |= {str(p.relative_to(scene.folder)) for p in (scene.folder / "pack").rglob("*")}
    scene.give("policy.yaml", stage.PLAIN + "\npacks: [./pack]\n")
    arguments, env = plant(scene, "environment")
    done = scene.score(*arguments, env=env)
    assert done.code in (0, 1, 3), done.err
    checks = {c["id"]: c for c in scene.document["checks"]}
    assert len(checks["schema/says"]["findings"]) == len(forms)
    assert all("***" in f["subject"] for f in checks["schema/says"]["findings"])
    assert "invalid input syntax" in checks["schema/breaks"]["detail"]
    assert "the password is ***" in checks["schema/raises"]["detail"]
    assert checks["schema/hides"]["unlock"] == "***"


def answering(body: bytes, head: bytes = b"200 OK\r\nContent-Type: application/json") -> Any:
    def answer(session: socket.socket) -> None:
        session.recv(4096)
        session.sendall(b"HTTP/1.1 " + head + b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        session.close()

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        answering(json.dumps({"status": f"DOWN {CANARY}"}).encode()),
        answering(CANARY.encode()),
        answering(b"", f"302 Found\r\nLocation: http://me:{ENCODED}@127.0.0.1/".encode()),
        answering(b"", f"500 {PLAIN}".encode()),
        answering(b"", f"{PLAIN} x".encode()),
        stage.closing,
    ],
    ids=["down", "no JSON", "redirect", "500", "no HTTP", "hangs up"],
)
def test_a_service_whose_address_holds_it(scene: Scene, answer: Any):
    probing = "probing: {http_requests: 2, http_seconds: 1, http_timeout_seconds: 1}\n"
    with stage.server(answer) as port:
        scene.give(
            "readiness.yaml",
            f"name: p\n{probing}services: {{auth: {{url: 'http://me:{ENCODED}@127.0.0.1:{port}'}}}}\n"
            f"stores: {{vectors: {{kind: qdrant, url: 'http://me:{ENCODED}@127.0.0.1:{port}'}}, cache: {{kind: redis, url: 'redis://me:{ENCODED}@127.0.0.1:{port}'}}}}\n",
        )
        done = scene.score(*plant(scene, "environment")[0], env={"PGPASSWORD": CANARY})
    assert done.code in (0, 1, 3), done.err
    (check,) = [c for c in scene.document["checks"] if c["id"] == "operations/unhealthy-service"]
    assert [f["subject"] for f in check["findings"]] == ["auth"]


def test_secrets_that_the_server_holds_and_nobody_told_us_of(embedded_cluster: Cluster, tmp_path: Path):
    """In settings, in statements that set passwords; whole, and cut off in the middle of the secret."""
    folder = tmp_path / "scene"
    folder.mkdir()
    statements = [
        f"create role of_a_canary password '{PLAIN}'",
        f"alter role of_a_canary with encrypted password '{PLAIN}'",
        f"alter user of_a_canary password $${PLAIN}$$",
        f"alter role of_a_canary password $x${PLAIN}$x$",
        f"alter role of_a_canary password e'{PLAIN}'",
        f"alter  role of_a_canary  PASSWORD\n  '{PLAIN}'",
        f"alter role of_a_canary password /* why */ '{PLAIN}'",
    ]
    commands = [
        f"PGPASSWORD={PLAIN} backup %p",
        f"backup --repo-cipher-pass={PLAIN} --secret {PLAIN} %p",
        f"AWS_SECRET_ACCESS_KEY={PLAIN} wal-g wal-push %p",
        f"curl postgresql://me:{PLAIN}@h/d %p",
        f'sh -c "export PASSWORD=\\"{PLAIN}\\"; cp %p /x"',
    ]
    with stage.database(embedded_cluster) as database:
        scene = Scene(folder, database, stage.environment(tmp_path))
        with database.connect() as admin:
            admin.execute("create extension pg_stat_statements")
            try:
                for statement in statements:
                    admin.execute(statement.encode())
                for command in commands:
                    admin.execute(
                        sql.SQL("select set_config({}, {}, false)").format(
                            sql.Literal(f"canary.c{commands.index(command)}"), sql.Literal(command)
                        )
                    )
                cuts = ", ".join(str(n) for n in range(30, 75, 4))
                texts = ", ".join("('" + s.replace("'", "''") + "')" for s in statements)
                quoted = ", ".join("('" + c.replace("'", "''") + "')" for c in commands)
                stage.write_pack(
                    folder / "pack",
                    {
                        "schema/statements.sql": stage.sql_check(
                            "with seen (id, query) as ("
                            "select s.queryid::text, s.query from public.pg_stat_statements as s "
                            # The server keeps one text for statements that differ by their constants alone.
                            f"union all select row_number() over ()::text, v.query from (values {texts}) as v (query)) "
                            "select 's' || s.id || '/' || c.n as subject, false as ok, left(s.query, c.n) as query "
                            f"from seen as s cross join unnest(array[{cuts}, 1000]) as c (n) "
                            "where s.query ~* 'of_a_canary'"
                        ),
                        "schema/settings.sql": stage.sql_check(
                            f"select 'c' || row_number() over () as subject, false as ok, v.c as command from (values {quoted}) as v (c)"
                        ),
                    },
                )
                scene.inputs |= {str(p.relative_to(folder)) for p in (folder / "pack").rglob("*")}
                scene.give("policy.yaml", stage.PLAIN + "\npacks: [./pack]\n")
                done = scene.score("-d", database.dsn(), "--as-superuser")
            finally:
                admin.execute("drop role of_a_canary")
                admin.execute("select pg_stat_statements_reset()")
    assert done.code in (0, 1, 3), done.err
    checks = {c["id"]: c for c in scene.document["checks"]}
    assert len(checks["schema/statements"]["findings"]) >= (len(statements) + 2) * 13
    assert len(checks["schema/settings"]["findings"]) == len(commands)


def test_the_canary_would_be_heard():
    for form in (CANARY, ENCODED, json.dumps(CANARY), PLAIN, f"KANARI{PLAIN[6:]}"):
        assert heard(b"..." + form.encode() + b"...") is not None
    for prefix in ("", "x", "xy", "me:", "http://me:"):
        assert heard(base64.b64encode((prefix + CANARY).encode())) is not None
    assert heard(b"nothing of the kind") is None
