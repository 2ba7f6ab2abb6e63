"""Other people's checks: whatever they do, the audit goes on, knows that it doesn't know, and gives no secret away."""

from __future__ import annotations

import importlib
import os
import pickle
import pkgutil
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import conninfo

import readiness.facts
import stage
from conftest import Database
from readiness import foreign, runner
from readiness.authoring import Check, PackError, Unobservable
from readiness.embedded import Cluster
from readiness.facts.drills import DrillRecords
from readiness.facts.postgres import Postgres
from readiness.facts.server import Server
from readiness.facts.target import Target
from readiness.foreign import Limits
from readiness.model import Count, Examined, NotApplicable, Outcome, Reason, Tiers, Unknown
from readiness.profile import Profile

CANARY = "canary-0c7f/4e@b1"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SERVER = Server(
    version_num=150000,
    version="15.0",
    database="d",
    role="r",
    superuser=False,
    standby=False,
    started_at=0.0,
    clock=0.0,
    pooled=False,
    memberships=frozenset(),
    extensions=frozenset(),
    system_identifier=None,
    timeline=None,
)

BODIES = {
    "fine": "return [Observation(subject='it', ok=server.major == 15, evidence={'n': 1}), Observation(subject='b', ok=False, remedy='r')]",
    "empty": "return []",
    "leaves_at_once": "import os; os._exit(0)",
    "leaves_politely": "import sys; sys.exit(0)",
    "crashes": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "loops": "while True: pass",
    "loops_in_c": "import re; return re.match('(a+)+$', 'a' * 60 + 'b')",
    "sleeps_deaf": "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
    "eats_memory": "hoard = []\nwhile True: hoard.append(bytearray(1 << 24))",
    "leaves_a_child": """
        import os, time
        if os.fork() == 0:
            os.setsid()
            time.sleep(3)
            os._exit(0)
        return Observation(subject='it', ok=True)
    """,
    "leaves_a_child_and_goes": """
        import os, time
        if os.fork() == 0:
            os.setsid()
            time.sleep(3)
        os._exit(0)
    """,
    "floods": "import sys; print('x' * 100_000_000); print('x' * 1_000_000, file=sys.stderr); return Observation(subject='it', ok=True)",
    "prints": "print('{\"outcome\": \"subjects\"}'); return Observation(subject='it', ok=True)",
    "reads": "import sys; return Observation(subject='it', ok=sys.stdin.read() == '')",
    "answers_at_length": "return [Observation(subject=f's{n}', ok=False, evidence={'x': 'y' * 3000}) for n in range(8000)]",
    "writes_to_the_channel": "import os, sys; os.write(int(sys.argv[1]), b'05f5e100' + b'x' * 100_000); os._exit(0)",
    "writes_nonsense": "import os, sys; os.write(int(sys.argv[1]), b'not hex.' * 9); os._exit(0)",
    "writes_no_json": "import os, sys; os.write(int(sys.argv[1]), b'00000003' + b'[1,'); os._exit(0)",
    "writes_depth": "import os, sys; os.write(int(sys.argv[1]), b'%08x' % 200_000 + b'[' * 200_000); os._exit(0)",
    "answers_seven": "return 7",
    "answers_texts": "return ['a', 'b']",
    "subject_is_a_number": "return Observation(subject=5, ok=True)",
    "ok_is_a_word": "return Observation(subject='it', ok='yes')",
    "ok_is_one": "return Observation(subject='it', ok=1)",
    "twice": "return [Observation(subject='it', ok=True), Observation(subject='it', ok=True)]",
    "raises": "raise RuntimeError('boom ' * 1000)",
    "raises_the_unspeakable": """
        class Unspeakable(Exception):
            def __str__(self): raise ValueError('no words')
        raise Unspeakable
    """,
    "interrupts": "raise KeyboardInterrupt",
    "odd_evidence": """
        return Observation(subject='it', ok=False, evidence={
            'nan': float('nan'), 'far': float('inf'), 'thing': object, 'lone': chr(0xd800), 'list': [1, None, float('nan')],
            'large': 10 ** 30,
        })
    """,
    "lone_surrogate": "return Observation(subject='a' + chr(0xd800), ok=False)",
    "counts": "return Examined(observations=(Observation(subject='a.b', ok=False),), tally={'a': Count(examined=100, ok=90)})",
    "miscounts": "return Examined(observations=(), tally={'a': Count(examined=1, ok=2)})",
    "counts_fractions": "return Examined(observations=(), tally={'a': Count(examined=1.5, ok=1)})",
    "does_not_know": "return Unknown(reason=Reason.STALE, detail='old', unlock='renew')",
    "has_not": "return NotApplicable('0 things, counted')",
    "cannot_see": "raise Unobservable(Reason.LOCKED, 'locked', 'wait')",
    "hides": "return [Observation(subject='a', ok=True), Unseen(subject='b', reason=Reason.STALE, detail='old', unlock='renew')]",
    "changes_its_world": """
        import os, signal, locale, sys
        os.chdir('/'); os.umask(0); sys.stdout = None; os.environ['X'] = '1'
        os.closerange(0, 3)
        return Observation(subject='it', ok=True)
    """,
}
ASKS = {"fine": "server: Server, *, most: int = 7"}
LIMITS = Limits(seconds=4, memory_bytes=1 << 29)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Check]:
    """All of them in one pack: that one of them misbehaves is no reason not to ask the others."""
    folder = tmp_path_factory.mktemp("packs")
    files = {
        f"schema/{name}.py": stage.python_check(body, name=name, asks=ASKS.get(name, "server: Server"))
        for name, body in BODIES.items()
    }
    stage.write_pack(folder / "theirs", files | {"helper.py": "x = 1", "schema/_private.py": "not Python"})
    found = foreign.load("./theirs", folder, limits=replace(LIMITS, seconds=30))
    assert len(found) == len(BODIES)
    by_name = {c.info.id.partition("/")[2].replace("-", "_"): c for c in found}
    return {n: replace(c, ask=foreign._asker(c.info.id, folder / "theirs", LIMITS)) for n, c in by_name.items()}


def ask(check: Check) -> Outcome:
    return runner.ask(check, runner.Facts({Server: SERVER}), {})


@dataclass(frozen=True)
class Asked:
    outcome: Outcome
    seconds: float


@pytest.fixture(scope="module")
def asked(pack: dict[str, Check]) -> dict[str, Asked]:
    """All of them, asked side by side: most of it is waiting."""

    def one(check: Check) -> Asked:
        started = time.monotonic()
        return Asked(ask(check), time.monotonic() - started)

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(pack, pool.map(one, pack.values()), strict=True))


def test_a_sound_check_is_asked_as_ours_are(pack: Mapping[str, Check]):
    check = pack["fine"]
    assert (check.info.title, check.info.why, check.info.pack) == ("All is well", "A test asks.", "./theirs")
    assert check.info.parameters == {"most": 7}
    assert check.facts == {"server": Server}
    outcome = runner.ask(check, runner.Facts({Server: SERVER}), {"most": 9})
    assert isinstance(outcome, Examined)
    assert [(o.subject, o.ok, o.evidence, o.remedy) for o in outcome.observations] == [
        ("it", True, {"n": 1}, None),
        ("b", False, {}, "r"),
    ]


def test_a_pack_is_known_by_every_file_of_it(tmp_path: Path):
    stage.write_pack(tmp_path / "theirs", {"schema/fine.py": stage.python_check(BODIES["fine"], name="fine")})

    def digest() -> str:
        return foreign._sha256_of(tmp_path / "theirs")

    before = digest()
    (tmp_path / "theirs" / "helper.py").write_text("x = 1")
    between = digest()
    (tmp_path / "theirs" / "helper.py").write_text("x = 2")
    assert len({before, between, digest()}) == 3


@pytest.mark.alone
@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        ("leaves_at_once", Reason.ERROR, "ended without an answer (exit code 0)"),
        ("leaves_politely", Reason.ERROR, "the check broke: SystemExit"),
        ("crashes", Reason.ERROR, "ended without an answer (SIGSEGV)"),
        ("loops", Reason.TIMEOUT, "gave no answer within 4 s and was ended"),
        ("loops_in_c", Reason.TIMEOUT, "gave no answer within 4 s and was ended"),
        ("sleeps_deaf", Reason.TIMEOUT, "gave no answer within 4 s and was ended"),
        ("eats_memory", Reason.ERROR, "MemoryError"),
        ("answers_at_length", Reason.ERROR, "larger than 16,000,000 bytes"),
        ("writes_to_the_channel", Reason.ERROR, "larger than 16,000,000 bytes"),
        ("writes_nonsense", Reason.ERROR, "is not JSON"),
        ("writes_no_json", Reason.ERROR, "is not JSON"),
        ("writes_depth", Reason.ERROR, "is not JSON"),
        ("answers_seven", Reason.ERROR, "the check broke: TypeError"),
        ("answers_texts", Reason.ERROR, "the check broke"),
        ("subject_is_a_number", Reason.ERROR, "not sound: subjects.0.subject"),
        ("ok_is_a_word", Reason.ERROR, "not sound: subjects.0.ok"),
        ("ok_is_one", Reason.ERROR, "not sound: subjects.0.ok"),
        ("twice", Reason.ERROR, "stands twice"),
        ("raises", Reason.ERROR, "the check broke: RuntimeError: boom"),
        ("raises_the_unspeakable", Reason.ERROR, "the check broke: Unspeakable"),
        ("interrupts", Reason.ERROR, "the check broke: KeyboardInterrupt"),
        ("miscounts", Reason.ERROR, "more healthy subjects than subjects"),
        ("counts_fractions", Reason.ERROR, "not sound: tally.a.examined"),
        ("leaves_a_child_and_goes", Reason.ERROR, "ended without an answer (exit code 0)"),
        ("does_not_know", Reason.STALE, "old"),
        ("cannot_see", Reason.LOCKED, "locked"),
        ("hides", Reason.STALE, "b: old"),
    ],
)
def test_whatever_it_does_it_is_unknown_and_says_why(asked: Mapping[str, Asked], name: str, reason: Reason, said: str):
    outcome = asked[name].outcome
    assert asked[name].seconds < LIMITS.seconds + 2
    assert isinstance(outcome, Unknown), outcome
    assert (outcome.reason, said in outcome.detail) == (reason, True), outcome.detail
    assert len(outcome.detail) < 1000


@pytest.mark.alone
@pytest.mark.parametrize("name", ["floods", "prints", "reads", "leaves_a_child", "changes_its_world"])
def test_what_it_does_beside_answering_changes_nothing(asked: Mapping[str, Asked], name: str):
    outcome = asked[name].outcome
    assert isinstance(outcome, Examined), outcome
    assert [(o.subject, o.ok) for o in outcome.observations] == [("it", True)]
    assert asked[name].seconds < LIMITS.seconds


def test_answers_keep_their_form_on_the_way(asked: Mapping[str, Asked]):
    assert asked["has_not"].outcome == NotApplicable("0 things, counted")
    assert asked["empty"].outcome == NotApplicable("0 servers")
    counted = asked["counts"].outcome
    assert isinstance(counted, Examined)
    assert counted.tally == {"a": Count(examined=100, ok=90)}
    unknown = asked["does_not_know"].outcome
    assert isinstance(unknown, Unknown)
    assert unknown.unlock == "renew"
    hidden = asked["hides"].outcome
    assert isinstance(hidden, Unknown)
    assert ([u.subject for u in hidden.unseen], [o.subject for o in hidden.observations]) == (["b"], ["a"])


def test_odd_evidence_arrives_as_every_format_can_carry_it(asked: Mapping[str, Asked]):
    outcome = asked["odd_evidence"].outcome
    assert isinstance(outcome, Examined)
    evidence = dict(outcome.observations[0].evidence)
    assert evidence.pop("thing") == "<class 'object'>"
    assert evidence == {"nan": None, "far": "infinity", "lone": "\\ud800", "list": [1, None, None], "large": 10**30}
    outcome = asked["lone_surrogate"].outcome
    assert isinstance(outcome, Examined), outcome
    assert outcome.observations[0].subject == "a\\ud800"


def test_nothing_of_it_stays_in_the_temporary_folder(
    pack: Mapping[str, Check], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # its own: others' packs are asked beside it
    used = tmp_path.stat().st_mtime_ns
    ask(pack["leaves_at_once"])
    ask(pack["fine"])
    assert tmp_path.stat().st_mtime_ns > used, "nothing was made there, so nothing is seen here"
    assert not list(tmp_path.iterdir())


# -- which packs there are -------------------------------------------------------------------------------------


def test_sql_files_are_data_and_start_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def never(*_: object) -> None:
        raise AssertionError("a child was started for a pack without Python")

    monkeypatch.setattr(foreign, "_child", never)
    stage.write_pack(
        tmp_path / "theirs",
        {
            "schema/odd.sql": stage.sql_check("select 'a' as subject, true as ok"),
            "__init__.py": "raise SystemExit('it was imported')",
            "schema/__init__.py": "raise SystemExit('it was imported')",
            "helper.py": "raise SystemExit('it was imported')",
        },
    )
    (found,) = foreign.load("./theirs", tmp_path)
    assert (found.info.id, found.info.pack) == ("schema/odd", "./theirs")


def test_an_installed_package_is_found_and_never_imported_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = f"their_pack_{os.getpid()}"
    stage.write_pack(
        tmp_path / name,
        {
            "__init__.py": "import os; os._exit(9)",
            "schema/odd.py": stage.python_check("return Observation(subject='it', ok=True)"),
            "schema/more.sql": stage.sql_check("select 'a' as subject, true as ok"),
        },
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = foreign.load(name, Path("/"))
    assert [c.info.id for c in found] == ["schema/more", "schema/odd"]
    assert not [m for m in sys.modules if m.startswith(name)]
    assert isinstance(ask(found[1]), Examined)


def test_a_credit_of_steps_survives_the_way(tmp_path: Path):
    text = stage.python_check(
        "return Observation(subject='it', ok=False, evidence={'age': 2})",
        before="from readiness import Tiers",
        credit="Tiers(measure='age', steps=((1, 0.5), (3, 0.25)))",
    )
    stage.write_pack(tmp_path / "theirs", {"schema/odd.py": text})
    (found,) = foreign.load("./theirs", tmp_path)
    assert found.info.credit == Tiers(measure="age", steps=((1, 0.5), (3, 0.25)))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"readme.md": "x"}, "no check in it; checks lie in folders named schema, migration"),
        ({"schema/odd.py": "import os; os._exit(0)"}, "its checks can't be read: .*ended without an answer"),
        ({"schema/odd.py": "raise RuntimeError('boom')"}, "its checks can't be read: .*RuntimeError: boom"),
        ({"schema/odd.py": "import no_such_module"}, "its checks can't be read: .*no_such_module"),
        ({"schema/odd.py": "x = 1"}, "its checks can't be read: .*this one holds 0"),
        ({"schema/odd.py": "while True: pass"}, "its checks can't be read: .*gave no answer within"),
        ({"schema/odd.sql": "select 1"}, "schema/odd.sql: a .sql check opens with"),
        (
            {
                "schema/odd.py": stage.python_check(
                    "return []", asks="p: Postgres", before="from readiness.facts.postgres import Postgres"
                )
            },
            "schema/odd asks for Postgres, which holds a secret",
        ),
        (
            {
                "schema/odd.py": stage.python_check(
                    "return []", asks="t: Target", before="from readiness.facts.target import Target"
                )
            },
            "schema/odd asks for Target, which holds a secret",
        ),
        (
            {"schema/odd.py": stage.python_check("return []", asks="t: Popen", before="from subprocess import Popen")},
            "schema/odd asks for subprocess:Popen, which is no fact of readiness.facts",
        ),
        (
            {
                "schema/odd.py": stage.python_check(
                    "return []", asks="t: Mine", before="class Mine: ...\nMine.__module__ = 'readiness.facts.server'"
                )
            },
            "schema/odd asks for readiness.facts.server:Mine, which there is not",
        ),
    ],
)
def test_a_pack_that_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path, files: Mapping[str, str], said: str):
    stage.write_pack(tmp_path / "theirs", files)
    with pytest.raises(PackError, match=said):
        foreign.load("./theirs", tmp_path, limits=replace(LIMITS, seconds=2))


def test_a_name_that_leads_to_no_pack(tmp_path: Path):
    for name, said in (
        ("no_such_pack", "no such package is installed"),
        ("./no_such_folder", "there is no folder"),
        ("os.path", "give the top-level package"),
        ("json.tool", "give the top-level package"),
        ("pathlib", "no such package is installed"),
    ):
        with pytest.raises(PackError, match=said):
            foreign.load(name, tmp_path)


# -- no secret -------------------------------------------------------------------------------------------------

SPY = """
    import os, base64
    from pathlib import Path
    def read(path):
        try:
            return Path(path).read_bytes().decode('utf-8', 'replace')
        except OSError as error:
            return type(error).__name__
    parent = os.getppid()
    seen = {
        'own': str(dict(os.environ)),
        'parents': read(f'/proc/{parent}/environ'),
        'memory': read(f'/proc/{parent}/mem')[:20],
        'line': read(f'/proc/{parent}/cmdline'),
        'request': repr(server),
        'files': str([os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if os.path.islink(f'/proc/self/fd/{n}')]),
    }
    return [
        Observation(subject=name, ok='CANARY' not in text, evidence={'text': text[:200]})
        for name, text in sorted(seen.items())
    ]
""".replace("CANARY", CANARY)


def test_it_sees_no_password_in_any_environment(embedded_cluster: Cluster, tmp_path: Path):
    """As root it could: who may trace every process may read it. So root gives that right up here, as nobody else has it."""
    wrapper: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is not there to take root's right to trace")
        wrapper = ("setpriv", "--bounding-set=-sys_ptrace,-perfmon,-sys_admin")
    with stage.database(embedded_cluster) as database:
        with database.connect() as admin:
            admin.execute(f"alter role {database.bare_role} password '{CANARY}'".encode())
        stage.write_pack(tmp_path / "theirs", {"schema/odd.py": stage.python_check(SPY)})
        policy = stage.write_policy(tmp_path, packs=("./theirs",))
        env = stage.environment(tmp_path, PGPASSWORD=CANARY)
        given = conninfo.conninfo_to_dict(database.bare_dsn())
        dsn = conninfo.make_conninfo("", **{k: v for k, v in given.items() if k != "password"})
        command = ("score", "-d", dsn, "-f", "json", "--policy", policy, "--only", "schema/odd")
        done = stage.wrapped(wrapper, *command, env=env, cwd=tmp_path)
    (check,) = [c for c in done.document["checks"] if c["id"] == "schema/odd"]
    seen = {s["subject"]: s["evidence"]["text"] for s in check["seen"]}
    assert check["status"] == "pass", check["findings"] or check["detail"]
    assert seen["parents"] == seen["memory"] == "PermissionError"
    assert "PGPASSWORD" not in seen["own"]


def fact_kinds() -> list[type[Any]]:
    """Every fact that a pack may ask for."""
    found = []
    for entry in pkgutil.iter_modules(readiness.facts.__path__):
        module = importlib.import_module(f"readiness.facts.{entry.name}")
        for kind in vars(module).values():
            if isinstance(kind, type) and kind.__module__ == module.__name__ and hasattr(kind, "take"):
                found.append(kind)
    return sorted(found, key=lambda k: k.__qualname__)


@pytest.fixture(scope="module")
def secretive(embedded_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[runner.Facts]:
    """Facts about a platform with a secret in every address."""
    port = stage.free_port()
    folder = tmp_path_factory.mktemp("platform")
    (folder / "src").mkdir()
    (folder / "src" / "a.ts").write_text("const pool = new Pool({max: 5})\n")
    with stage.database(embedded_cluster) as database:
        encoded = CANARY.replace("/", "%2F").replace("@", "%40")
        profile = Profile.model_validate(
            {
                "name": "p",
                "database": {"dsn": conninfo.make_conninfo(database.dsn(), sslpassword=CANARY)},
                "services": {
                    "auth": {
                        "url": f"http://me:{encoded}@127.0.0.1:{port}",
                        "dsn": f"postgresql://auth:{encoded}@127.0.0.1:{port}/d",
                        "sources": ["src"],
                        "schemas": ["auth"],
                    }
                },
                "stores": {
                    "redis": {"kind": "redis", "url": f"redis://me:{encoded}@127.0.0.1:{port}"},
                    "qdrant": {"kind": "qdrant", "url": f"http://me:{encoded}@127.0.0.1:{port}"},
                },
                "standbys": {"a": {"dsn": f"postgresql://me:{encoded}@127.0.0.1:1/d"}},
                "environments": {"b": {"dsn": f"postgresql://me:{encoded}@127.0.0.1:1/d"}},
                "capacity": {"prometheus": f"http://me:{encoded}@127.0.0.1:1", "queries": {"connections": "up"}},
                "queries": {"q": {"sql": "select 1", "target_ms": 100}},
                "probing": {
                    "http_requests": 2,
                    "http_seconds": 1,
                    "http_timeout_seconds": 1,
                    "query_samples": 2,
                    "query_seconds": 1,
                },
            }
        )
        postgres = Postgres(conninfo.make_conninfo(database.dsn(), sslpassword=CANARY))
        target = Target(
            profile=profile,
            folder=folder,
            now=NOW,
            environment={"PGPASSWORD": CANARY},
            trust_profile_sql=True,
        )
        records = DrillRecords(now=NOW)
        yield runner.Facts({Target: target, Postgres: postgres, DrillRecords: records})
        postgres.close()


@pytest.mark.parametrize("kind", fact_kinds(), ids=lambda k: k.__qualname__)
def test_no_fact_that_a_pack_may_have_holds_a_secret(secretive: runner.Facts, kind: type[Any]):
    if kind in foreign._WITHHELD:
        with pytest.raises(TypeError):
            pickle.dumps(secretive.get(kind))
        return
    try:
        fact = secretive.get(kind)
    except Unobservable as unseen:
        fact = unseen
    sent = pickle.dumps(fact)
    for form in (
        CANARY,
        CANARY.replace("/", "%2F").replace("@", "%40"),
        CANARY.replace("/", "%2f").replace("@", "%40"),
    ):
        assert form.encode() not in sent, f"{kind.__qualname__} hands a secret to other people's checks"


# -- as a superuser --------------------------------------------------------------------------------------------


def test_a_superuser_runs_nobody_elses_checks_unless_told(embedded_database: Database, tmp_path: Path):
    stage.write_pack(tmp_path / "sql", {"schema/odd.sql": stage.sql_check("select 'a' as subject, true as ok")})
    even = stage.python_check("return Observation(subject='it', ok=True)", name="even")
    stage.write_pack(tmp_path / "python", {"schema/even.py": even})
    env = stage.environment(tmp_path)
    asks = ("-d", embedded_database.dsn(), "-f", "json", "--only", "schema/odd", "--only", "schema/even")
    for packs in (("./sql",), ("./python", "./sql")):
        policy = stage.write_policy(tmp_path, stage.GO, packs=packs)
        wanted = asks if len(packs) == 2 else asks[:-2]
        done = stage.run("score", *wanted, "--policy", policy, env=env, cwd=tmp_path)
        assert (done.code, done.out) == (2, "")
        assert f"packs: {', '.join(packs)}: other people's checks don't run as a superuser" in done.err
        assert "--as-superuser" in done.err
    done = stage.run("score", *asks, "--policy", policy, "--as-superuser", env=env, cwd=tmp_path)
    assert done.code == 0
    assert [c["status"] for c in done.document["checks"] if c["id"] in ("schema/odd", "schema/even")] == ["pass"] * 2
    assert any("superuser" in note for note in done.document["notes"])


def test_a_check_that_leaves_at_once_is_never_go(embedded_database: Database, tmp_path: Path):
    stage.write_pack(tmp_path / "theirs", {"schema/odd.py": stage.python_check("import os; os._exit(0)")})
    policy = stage.write_policy(tmp_path, stage.GO, packs=("./theirs",))
    command = ("score", "-d", embedded_database.bare_dsn(), "--policy", policy, "-f", "json", "--only", "schema/odd")
    done = stage.run(*command, env=stage.environment(tmp_path), cwd=tmp_path)
    assert (done.code, done.document["verdict"]["decision"]) == (3, "HOLD")


def test_a_pack_that_no_policy_names_does_not_run(embedded_database: Database, tmp_path: Path):
    """Not even where it lies beside the profile."""
    stage.write_pack(tmp_path / "checks", {"schema/odd.py": "raise SystemExit"})
    (tmp_path / "readiness.yaml").write_text("name: p\n")
    command = ("score", "-d", embedded_database.bare_dsn(), "--policy", stage.write_policy(tmp_path), "-f", "json")
    done = stage.run(*command, env=stage.environment(tmp_path), cwd=tmp_path)
    assert "schema/odd" not in {c["id"] for c in done.document["checks"]}
