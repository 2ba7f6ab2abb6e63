"""The command line, as a shell and a pipeline meet it: one clear sentence, the right exit code, and never more than was asked."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import yaml
from psycopg import sql

import stage
from conftest import Database
from readiness.embedded import Cluster
from readiness.teamstore import TeamStore

CHECKS = {
    "schema/bad.sql": stage.sql_check(
        "select 's' || n as subject, n > 2 as ok from pg_catalog.generate_series(1, 4) as n"
    ),
    "schema/fine.sql": stage.sql_check("select 'a' as subject, true as ok"),
    "schema/zz_slow.sql": stage.sql_check("select 'a' as subject, true as ok from pg_catalog.pg_sleep(27)"),
}
POLICIES = {
    "go.yaml": stage.GO,
    "nogo.yaml": stage.GO + "must_haves: [{id: M1, title: Good, checks: [schema/bad]}]\n",
    "hold.yaml": stage.GO + "must_haves: [{id: M1, title: Seen, checks: [schema/fine, performance/slow-query]}]\n",
    "plain.yaml": stage.PLAIN + "\n",
}
CODES = {"go.yaml": 0, "nogo.yaml": 1, "hold.yaml": 3}
QUICK = ("--only", "schema/bad", "--only", "schema/fine")


@dataclass
class Place:
    """A folder with a profile, policies and a pack; and an environment that leads to a database of the bare role."""

    folder: Path
    database: Database
    env: dict[str, str]

    def run(
        self, *arguments: str | Path, cold: bool = False, env: Mapping[str, str] = {}, **options: Any
    ) -> stage.Done:
        started = stage.cold if cold else stage.run
        return started(*arguments, env=self.env | env, cwd=self.folder, **options)

    def score(self, policy: str, *arguments: str | Path, **options: Any) -> stage.Done:
        return self.run("score", "--policy", policy, *QUICK, *arguments, **options)


def libpq(database: Database, role: str | None = None, password: str = "bare-role-of-a-test") -> dict[str, str]:
    """How a user would name a database without a secret on the command line."""
    return {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(database.cluster.port),
        "PGDATABASE": database.name,
        "PGUSER": role or database.bare_role,
        "PGPASSWORD": password,
    }


@pytest.fixture(scope="module")
def database(embedded_cluster: Cluster) -> Iterator[Database]:
    with stage.database(embedded_cluster) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, database: Database) -> Place:
    folder = tmp_path / "platform"
    stage.write_pack(folder / "mine", CHECKS)
    for name, text in POLICIES.items():
        (folder / name).write_text(text + "packs: [./mine]\n")
    (folder / "readiness.yaml").write_text("name: p\ntitle: The Platform\n")
    return Place(folder, database, stage.environment(tmp_path) | libpq(database))


# -- verdicts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", CODES)
def test_the_exit_code_is_the_verdict(place: Place, policy: str):
    done = place.score(policy)
    assert (done.code, done.err) == (CODES[policy], "")
    assert {0: " GO ", 1: " NO-GO ", 3: " HOLD "}[CODES[policy]] in done.out
    assert "The Platform is" in done.out
    done = place.score(policy, "--report-only", "-f", "json")
    assert (done.code, done.document["verdict"]["exit_code"]) == (0, CODES[policy])


def test_the_database_may_come_from_the_environment_and_the_run_have_a_name(place: Place):
    env = {"READINESS_DATABASE": place.database.bare_dsn(), "PGPORT": "1", "PGPASSWORD": ""}
    done = place.score("go.yaml", "-f", "json", "--name", "staging", env=env)
    assert (done.code, done.err) == (0, ""), "and no warning of a password on the command line"
    assert done.document["target"]["name"] == "staging"
    assert done.document["target"]["database"] == place.database.name


def test_results_go_to_stdout_and_nothing_else_does(place: Place):
    done = place.score("nogo.yaml", "-f", "json")
    assert done.document["id"]
    assert done.err == ""
    done = place.score("nogo.yaml", "-f", "markdown", "-o", "r.md")
    assert "NO-GO" in done.out, "the scorecard stands beside a report that goes to a file"
    done = place.score("nogo.yaml", "-f", "markdown", "-o", "r.md", "--quiet")
    assert (done.code, done.said) == (1, "")
    assert (place.folder / "r.md").read_text().startswith("# NO")


def test_formats_and_outputs_are_paired(place: Place):
    done = place.score(
        "go.yaml", "-f", "json", "-f", "markdown", "-f", "console", "-o", "a.json", "-o", "-", "-o", "c.txt"
    )
    assert done.code == 0
    assert done.out.startswith("# GO")
    assert json.loads((place.folder / "a.json").read_text())["verdict"]["decision"] == "GO"
    assert " GO " in (place.folder / "c.txt").read_text()
    done = place.score("go.yaml", "-f", "json", "-f", "markdown", "-o", "b.json")
    assert done.out.startswith("# GO")
    done = place.score("go.yaml", "-o", "d.json")
    assert json.loads((place.folder / "d.json").read_text())["id"] in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-f", "pdf2"), "--format pdf2: no such format; there are: console, markdown, html"),
        (("-f", "json", "-o", "a", "-o", "b"), "more outputs than formats"),
        (("-f", "json", "-f", "markdown"), "only one report goes to stdout"),
        (("-f", "json", "-f", "markdown", "-o", "a", "-o", "./a"), "two reports go to one file"),
        (("-f", "console", "-f", "json", "-o", "run.json"), "--output run.json: would hold console, not json"),
        (("-o", "report.xyz"), "--output report.xyz: give its --format"),
        (("-f", "json", "-o", "mine"), "--output mine: is a folder"),
        (("-f", "json", "-o", "no/such/folder.json"), "no/such/folder.json: can't be written"),
        (("-f", "json", "-o", "/proc/report.json"), "/proc/report.json: can't be written"),
    ],
)
def test_an_output_that_cannot_be_is_told_before_anything_is_asked(place: Place, arguments: tuple[str, ...], said: str):
    done = place.run("score", "-d", "host=127.0.0.1 port=1", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "refused" not in done.err


def test_a_folder_that_may_not_be_written_to(place: Place):
    """As root every folder may be; so the command gives up being root's equal there."""
    closed = place.folder / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    wrapper = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    if wrapper and not shutil.which("setpriv"):
        pytest.skip("setpriv is not there to take root's rights")
    command = ("score", "--policy", "go.yaml", *QUICK, "-f", "json", "-o", "closed/r.json")
    done = stage.wrapped(wrapper, *command, env=place.env, cwd=place.folder)
    closed.chmod(0o755)
    assert (done.code, done.out) == (2, "")
    assert done.err == "readiness: --output closed/r.json: can't be written: Permission denied\n"


# -- faults ----------------------------------------------------------------------------------------------------

SECRET = "hunter2-of-a-test"


@dataclass
class Fault:
    """A command that can't be carried out, what it says, and how it ends."""

    name: str
    code: int
    said: str
    profile: str = "name: p\n"
    policy: str = "go.yaml"
    files: Mapping[str, str] | None = None
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None


WAIVER = "object: a, reason: r, owner: o, approver: b, ticket: t, created: 2026-01-01, expires: 2026-02-01"
FAULTS = [
    Fault("wrong DSN", 2, "--database: the connection string can't be parsed; expected host=", arguments=("-d", f"password={SECRET} x")),
    Fault("wrong URI", 2, "--database: the connection string can't be parsed; expected a URI", arguments=("-d", f"postgresql://u:{SECRET}@[::1/d")),
    Fault("wrong DSN in the profile", 2, "database.dsn: the connection string", profile=f"name: p\ndatabase: {{dsn: 'password={SECRET} x'}}\n"),
    Fault("a password that falls apart", 2, "percent-encode", arguments=("-d", f"postgresql://u:{SECRET}/x@h/d")),
    Fault("server down", 4, "nothing could be audited: 127.0.0.1:1: connection refused", env={"PGPORT": "1"}),
    Fault("unknown database", 4, 'database "nowhere" does not exist', env={"PGDATABASE": "nowhere"}),
    Fault("wrong password", 4, "password authentication failed", env={"PGPASSWORD": SECRET}),
    Fault("unknown service", 4, "nothing could be audited: service nowhere: ", arguments=("-d", "service=nowhere")),
    Fault("unknown profile key", 2, "readiness.yaml:2:1: databse: unknown key; did you mean 'database'?", profile=f"name: p\ndatabse: {SECRET}\n"),
    Fault("duplicate key", 2, "readiness.yaml:3:1: the key 'title' stands twice; the first is on line 2", profile=f"name: p\ntitle: x\ntitle: {SECRET}\n"),
    Fault("bad YAML", 2, "readiness.yaml:3:1: not valid YAML", profile=f"name: p\ndatabase: {{dsn: {SECRET}\n"),
    Fault("a tab", 2, "readiness.yaml:2:1: not valid YAML", profile=f"name: p\n\tdsn: {SECRET}\n"),
    Fault("a wrong type", 2, 'readiness.yaml:2:11: targets.connections: "many": expected', profile="name: p\ntargets: {connections: many}\n"),
    Fault("no name", 2, "readiness.yaml:1:1: here: 'name' is missing", profile="title: x\n"),
    Fault("missing variable", 2, "database.dsn: the environment variable NO_SUCH is not set", profile="name: p\ndatabase: {dsn: '${NO_SUCH}'}\n"),
    Fault("empty variable", 2, "the environment variable EMPTY is empty", profile="name: p\ndatabase: {dsn: '${EMPTY}'}\n", env={"EMPTY": ""}),
    Fault("a variable of two lines", 2, "the environment variable TWO holds a line break", profile="name: p\ntitle: '${TWO}'\n", env={"TWO": f"{SECRET}\nx"}),
    Fault("two targets of one name", 2, "two targets are named 'cache', a service and a store; rename one", profile="name: p\nservices: {cache: {}}\nstores: {cache: {kind: redis}}\n"),
    Fault("two services of one name", 2, "readiness.yaml:4:3: the key 'auth' stands twice; the first is on line 3", profile="name: p\nservices:\n  auth: {}\n  auth: {}\n"),
    Fault("two owners of a schema", 2, "the schema auth belongs to 'a' and to 'b'", profile="name: p\nservices: {a: {schemas: [auth]}, b: {schemas: [auth]}}\n"),
    Fault("an include outside", 2, "lies outside the profile's folder", profile="include: [../x.yaml]\nname: p\n"),
    Fault("unknown check in a waiver", 2, "waivers[0].check: no check is named 'schema/bed'; did you mean 'schema/bad'?", files={"readiness.waivers.yaml": f"waivers: [{{check: schema/bed, {WAIVER}}}]\n"}),
    Fault("unknown check in a must-have", 2, "own.yaml: must_haves: M1: no check is named 'schema/bed'; did you mean 'schema/bad'?", policy="own.yaml", files={"own.yaml": "name: x\nmust_haves: [{id: M1, title: t, checks: [schema/bed]}]\npacks: [./mine]\n"}),
    Fault("unknown policy", 2, "policy 'betta': neither a file nor one of", policy="betta"),
    Fault("weights that don't sum", 2, "weights: they sum to 90, not to 100", policy="own.yaml", files={"own.yaml": "name: x\nweights: {schema: 20, migration: 25, performance: 20, security: 15, operations: 10}\n"}),
    Fault("unknown pack", 2, "pack 'no_such_pack': no such package is installed", policy="own.yaml", files={"own.yaml": "name: x\npacks: [no_such_pack]\n"}),
    Fault("a broken pack", 2, "./broken: schema/odd.sql:2:1: titel: unknown key; did you mean 'title'?", policy="own.yaml", files={"own.yaml": "name: x\npacks: [./broken]\n", "broken/schema/odd.sql": CHECKS["schema/fine.sql"].replace("title", "titel")}),
    Fault("no such profile", 2, "nowhere.yaml: can't be read: No such file", arguments=("-p", "nowhere.yaml")),
    Fault("a folder for a profile", 2, "mine: ", arguments=("-p", "mine")),
    Fault("a device for a profile", 2, "/dev/zero: is not a regular file", arguments=("-p", "/dev/zero")),
    Fault("a pattern of no check", 2, "--only schema/bed: no check is named 'schema/bed'; did you mean 'schema/bad'?", arguments=("--only", "schema/bed")),
    Fault("a check like no other", 2, "--only schema/nowhere: no check is named 'schema/nowhere'\n", arguments=("--only", "schema/nowhere")),
    Fault("a list that doesn't end", 2, "readiness.yaml:3:1: not valid YAML: expected , or ], but got '<stream end>'", profile=f"name: p\ntitle: [{SECRET}\n"),
    Fault("an unknown option", 2, "No such option: --databse", arguments=("--databse", SECRET)),
    Fault("a word too many", 2, "unexpected extra argument", arguments=(f"postgresql://u:{SECRET}@h/d",)),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_a_fault_is_one_clear_sentence(place: Place, fault: Fault):
    (place.folder / "readiness.yaml").write_text(fault.profile)
    for name, text in (fault.files or {}).items():
        (place.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (place.folder / name).write_text(text)
    done = place.run("score", "--policy", fault.policy, *fault.arguments, env=fault.env or {})
    assert (done.code, done.out) == (fault.code, ""), done.err
    assert fault.said in done.err
    assert "Traceback" not in done.err
    assert SECRET not in done.err
    lines = [line for line in done.err.splitlines() if "shows in the process list" not in line]
    if not fault.name.startswith(("an unknown option", "a word too many")):
        assert all(line.startswith("readiness: ") for line in lines), done.err
        assert len(lines) <= 2, done.err


@pytest.mark.parametrize(
    "fault",
    [f for f in FAULTS if f.name in ("wrong URI", "wrong password", "bad YAML", "server down")],
    ids=lambda f: f.name,
)
def test_verbose_shows_where_and_still_no_secret(place: Place, fault: Fault):
    (place.folder / "readiness.yaml").write_text(fault.profile)
    done = place.run("score", "--policy", fault.policy, *fault.arguments, "--verbose", env=fault.env or {})
    assert (done.code, done.out) == (fault.code, "")
    assert "Traceback (most recent call last)" in done.err
    assert fault.said in done.err
    assert SECRET not in done.err


@pytest.mark.parametrize("command", ["score", "checks", "doctor", "profile schema", "report x.json", "--help"])
def test_a_closed_stdout_is_told(place: Place, command: str):
    (place.folder / "x.json").write_text("{}")
    line = f"{stage.EXECUTABLE} {command} >&-"
    done = subprocess.run(
        ["bash", "-c", line], env=place.env, cwd=place.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "readiness: standard output is closed; open it, or give --output FILE and --quiet\n"


def test_a_closed_stdout_is_no_harm_where_nothing_goes_there(place: Place):
    line = f"{stage.EXECUTABLE} score --policy nogo.yaml {' '.join(QUICK)} -f json -o r.json --quiet >&- 2>&-"
    done = subprocess.run(["bash", "-c", line], env=place.env, cwd=place.folder, check=False)
    assert done.returncode == 1
    assert json.loads((place.folder / "r.json").read_text())["verdict"]["exit_code"] == 1


def test_a_report_that_is_lost_is_never_go(place: Place):
    with Path("/dev/full").open("wb") as full:
        done = place.score("go.yaml", "-f", "json", cold=True, stdout=full)
    assert done.code == 4
    done = place.score("go.yaml", "--report-only", "-f", "json", "-o", "/dev/full", "--quiet")
    assert (done.code, done.out) == (4, "")
    assert "readiness: /dev/full: the report was lost: No space left on device" in done.err


def test_an_earlier_report_survives_a_full_disk(place: Place):
    import resource

    report = place.folder / "r.json"
    report.write_text("the earlier one")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

    done = place.score("go.yaml", "-f", "json", "-o", "r.json", "--no-evidence", cold=True, preexec_fn=limit)
    assert done.code == 4
    assert "r.json: the report was lost: File too large" in done.err
    assert report.read_text() == "the earlier one"
    assert not list(place.folder.glob(".r.json*"))


def test_a_folder_that_is_gone(place: Place):
    gone = place.folder / "gone"
    gone.mkdir()
    line = f"cd {gone} && rmdir {gone} && {stage.EXECUTABLE} score"
    done = subprocess.run(["bash", "-c", line], env=place.env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "readiness: the current folder is gone; change to one that exists\n"


# -- pipes, signals, terminals ---------------------------------------------------------------------------------


def nobody_reads() -> int:
    """The writing end of a pipe whose reader has left."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize(
    ("policy", "arguments"),
    [("go.yaml", ("--verbose",)), ("hold.yaml", ()), ("hold.yaml", ("-f", "json")), ("go.yaml", ("-f", "markdown"))],
)
def test_a_reader_that_leaves_early_changes_no_verdict(place: Place, policy: str, arguments: tuple[str, ...]):
    writing = nobody_reads()
    done = place.score(policy, *arguments, cold=True, stdout=writing)
    os.close(writing)
    assert (done.code, done.err) == (CODES[policy], ""), arguments


def test_head_takes_one_line(place: Place):
    for command, code in (
        ("score --policy hold.yaml --verbose --skip schema/zz-slow", 3),
        ("checks --format json --policy hold.yaml", 0),
    ):
        line = f"({stage.EXECUTABLE} {command}; echo $? >code) | head -1"
        done = subprocess.run(
            ["bash", "-c", line], env=place.env, cwd=place.folder, capture_output=True, text=True, check=False
        )
        assert done.stdout.count("\n") == 1
        assert (int((place.folder / "code").read_text()), done.stderr) == (code, ""), command


@pytest.mark.parametrize("command", [("checks", "--policy", "go.yaml"), ("profile", "schema"), ("--help",)])
def test_a_reader_that_leaves_early_is_no_fault(place: Place, command: tuple[str, ...]):
    writing = nobody_reads()
    done = place.run(*command, cold=True, stdout=writing)
    os.close(writing)
    assert (done.code, done.err) == (0, "")


def interrupted(place: Place, *numbers: signal.Signals, arguments: tuple[str, ...] = ()) -> tuple[int, str]:
    """Interrupt an audit while the database works for it; the exit code and what was said on stderr."""
    only = ("--only", "schema/*")
    command = ("score", "--policy", "go.yaml", *only, "-f", "json", "-o", "r.json", *arguments)
    with stage.start(*command, env=place.env, cwd=place.folder) as auditor:
        assert stage.eventually(lambda: sleeping(place), 60), "the audit did not come so far"
        for number in numbers:
            auditor.send_signal(number)
        _, err = auditor.communicate(timeout=15)
    return auditor.returncode, err.decode()


def sleeping(place: Place) -> bool:
    with place.database.connect() as admin:
        found = admin.execute(
            "select 1 from pg_stat_activity where query like '%%pg_sleep(27)%%' and state = 'active' and datname = %s and pid <> pg_backend_pid()",
            (place.database.name,),
        )
        return found.fetchone() is not None


@pytest.fixture
def patient(place: Place) -> Place:
    (place.folder / "readiness.yaml").write_text("name: p\nprobing: {statement_seconds: 30}\n")
    return place


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_keeps_what_was_finished(patient: Place, number: signal.Signals, code: int):
    returned, err = interrupted(patient, number)
    assert (returned, "Traceback" in err) == (code, False), err
    assert stage.eventually(lambda: not sleeping(patient), 5), "the server still works for it"
    run = json.loads((patient.folder / "r.json").read_text())
    assert run["partial"] is True
    statuses = {c["id"]: (c["status"], c["reason"]) for c in run["checks"]}
    assert statuses["schema/fine"] == ("pass", None)
    assert statuses["schema/bad"] == ("partial", None)
    assert statuses["schema/zz-slow"] == ("unknown", "not_selected")
    done = patient.run("report", "r.json", "-f", "markdown")
    assert "this document is partial" in done.out


def test_a_second_interruption_ends_at_once(patient: Place):
    assert interrupted(patient, signal.SIGINT, signal.SIGINT)[0] in (-signal.SIGINT, 130)
    assert stage.eventually(lambda: not sleeping(patient), 5)


def on_terminal(place: Place, *arguments: str, columns: int = 80, **env: str) -> tuple[int, str]:
    """What a terminal of a given width shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = place.env | {"TERM": "xterm-256color"} | env
    shown = b""
    with stage.start(
        *arguments, env=environment, cwd=place.folder, stdin=theirs, stdout=theirs, stderr=theirs
    ) as command:
        os.close(theirs)
        while True:
            ready, _, _ = select.select([ours], [], [], 30)
            assert ready, "nothing more came"
            try:
                chunk = os.read(ours, 65536)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        code = command.wait(10)
    os.close(ours)
    return code, shown.decode()


def test_a_terminal_is_coloured_unless_told_and_shows_progress(place: Place):
    command = ("score", "--policy", "nogo.yaml", *QUICK)
    code, shown = on_terminal(place, *command)
    assert code == 1
    assert re.search(r"\x1b\[[0-9;]*31", shown), "no red"
    assert "schema/bad" in shown


def test_a_narrow_terminal_without_colour_is_no_obstacle(place: Place):
    command = ("score", "--policy", "nogo.yaml", *QUICK, "--verbose")
    code, shown = on_terminal(place, *command, columns=20, NO_COLOR="1")
    assert (code, "Traceback" in shown) == (1, False)
    assert not re.search(r"\x1b\[[0-9;]*3[1-6]m", shown), "coloured although NO_COLOR is set"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", shown)
    assert "schema/bad" in plain.replace("\n", "")
    assert "NO-GO" in plain


def test_colour_when_asked_and_not_in_a_pipe(place: Place):
    assert "\x1b[" not in place.score("nogo.yaml").out
    assert "\x1b[" in place.score("nogo.yaml", "--color", "always", env={"TERM": "xterm-256color"}).out
    assert "\x1b[" not in place.score("nogo.yaml", "--color", "never").out


@pytest.mark.parametrize(
    ("env", "encoding"),
    [({"LC_ALL": "C"}, "utf-8"), ({"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "ascii"), ({"LANG": "de_DE.ISO-8859-1", "PYTHONIOENCODING": "latin-1"}, "latin-1")],
    ids=["C", "POSIX", "latin-1"],
)  # fmt: skip
def test_whatever_the_locale_no_character_stops_a_report(place: Place, env: dict[str, str], encoding: str):
    (place.folder / "readiness.yaml").write_text("name: p\ntitle: Zürich 🙂\n", encoding="utf-8")
    command = [stage.EXECUTABLE, "score", "--policy", "nogo.yaml", *QUICK, "--verbose", "-f", "json", "-o", "r.json"]
    done = subprocess.run(command, env=place.env | env, cwd=place.folder, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    shown = done.stdout.decode(encoding)
    assert "NO-GO" in shown
    assert ("rich 🙂" if encoding == "utf-8" else "rich \\U0001f642") in shown
    assert json.loads((place.folder / "r.json").read_text(encoding="utf-8"))["target"]["title"] == "Zürich 🙂"


# -- quick answers ---------------------------------------------------------------------------------------------

LOADED = """
import sys
sys.argv = ["readiness", *{arguments!r}]
from readiness.__main__ import main
try:
    main()
except SystemExit:
    pass
print("loaded:", *sorted({{name.partition(".")[0] for name in sys.modules}} | {{n for n in sys.modules if n.startswith("readiness")}}))
"""


def loaded(*arguments: str) -> tuple[str, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(arguments=arguments)], capture_output=True, text=True, check=True
    )
    shown, _, modules = done.stdout.rpartition("loaded: ")
    return shown, set(modules.split())


def test_help_loads_nothing_that_it_does_not_need():
    shown, modules = loaded("--help")
    for command in ("score", "demo", "checks", "doctor", "role-sql", "report", "attest", "waive", "profile", "init"):
        assert re.search(rf"^\s+{command}\s+[A-Z]", shown, re.MULTILINE), command
    assert not modules & {
        "psycopg",
        "pydantic",
        "pydantic_core",
        "yaml",
        "jinja2",
        "rich",
        "readiness.audit",
        "readiness.model",
    }


def test_version_loads_nothing_at_all():
    shown, modules = loaded("--version")
    assert re.fullmatch(r"readiness \d+\.\d+\.\d+\S*\n", shown)
    assert not modules & {"typer", "click", "importlib_metadata", "psycopg", "pydantic", "readiness.cli"}
    assert loaded("-V")[0] == shown


# -- checks ----------------------------------------------------------------------------------------------------


def test_every_check_is_listed_as_data(place: Place):
    found = json.loads(place.run("checks", "--format", "json", "--policy", "plain.yaml").out)
    assert len(found) >= 25
    for c in found:
        assert re.fullmatch(rf"{c['category']}/[a-z][a-z0-9-]*", c["id"])
        assert c["title"]
        assert c["priority"] in ("P0", "P1", "P2", "info")
        assert c["category"] in ("schema", "migration", "performance", "security", "operations")
    ids = [c["id"] for c in found]
    assert ids == sorted(set(ids))
    assert {"schema/fine", "performance/fk-without-index"} <= set(ids)
    listed = place.run("checks", "--policy", "plain.yaml").out
    assert all(i in listed for i in ids)


def test_a_policys_priority_and_parameters_are_shown(place: Place):
    (place.folder / "own.yaml").write_text("name: x\nchecks: {performance/fk-without-index: {priority: P2}}\n")
    (found,) = json.loads(
        place.run("checks", "performance/fk-without-index", "--format", "json", "--policy", "own.yaml").out
    )
    assert found["priority"] == "P2"


@pytest.mark.parametrize("check", ["performance/fk-without-index", "security/plaintext-admitted", "schema/fine"])
def test_a_check_is_explained(place: Place, check: str):
    (told,) = json.loads(place.run("checks", check, "--format", "json", "--policy", "plain.yaml").out)
    page = " ".join(place.run("checks", check, "--policy", "plain.yaml").out.split())
    for text in (told["id"], told["title"], told["universe"], told["why"].split(".")[0], "How to mend", "Source"):
        assert " ".join(text.split()) in page, text


def test_a_check_that_is_not_there_is_told_with_the_nearest(place: Place):
    done = place.run("checks", "performance/fk-without-indx", "--policy", "plain.yaml")
    assert (done.code, done.out) == (2, "")
    assert "did you mean 'performance/fk-without-index'?" in done.err


def test_every_sql_check_runs_in_psql_as_it_is_printed(cluster: Cluster, place: Place):
    """On each server, as a role that may do nothing: a statement that isn't permitted is one that parses."""
    printed = place.run("checks", "--sql", "--policy", "plain.yaml").out
    (place.folder / "own").mkdir()
    statements = [s for s in re.split(r"^(?=-- [a-z]+/[a-z0-9-]+$)", printed, flags=re.MULTILINE) if s.strip()]
    listed = json.loads(place.run("checks", "--format", "json", "--policy", "plain.yaml").out)
    assert [s.split()[1] for s in statements] == [c["id"] for c in listed if c["door"] == "sql"]
    script = place.folder / "all.sql"
    script.write_text("".join(s for s in statements if "pg_sleep" not in s))
    with stage.database(cluster) as database:
        done = subprocess.run(
            ["psql", "-X", "-q", "-o", os.devnull, "-d", database.bare_dsn(), "-f", script],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr  # it read the script to its end
    errors = re.findall(r"(?i)\berror: .*", done.stderr)
    assert [e for e in errors if "permission denied" not in e] == [], done.stderr
    assert len(errors) < len(statements) / 4


# -- what is left out ------------------------------------------------------------------------------------------


def test_leaving_out_never_raises_a_score(place: Place):
    def look(*arguments: str) -> tuple[Fraction, Fraction, Fraction]:
        done = place.run("score", "--policy", "plain.yaml", "-f", "json", "--skip", "schema/zz-slow", *arguments)
        v = done.document["verdict"]
        return Fraction(v["score_exact"]), Fraction(v["coverage_exact"]), Fraction(v["ceiling_exact"])

    place.database.run(
        "create schema if not exists app; create table if not exists app.t (id uuid primary key, tags text)"
    )
    whole = look()
    assert whole[1] > 0
    for arguments in (
        ("--skip", "schema/fine"),
        ("--skip", "performance/*"),
        ("--only", "schema/bad"),
        ("--only", "schema/*", "--skip", "schema/bad"),
        ("--skip", "*"),
    ):
        score, coverage, ceiling = look(*arguments)
        assert score <= whole[0], arguments
        assert coverage <= whole[1], arguments
        assert ceiling >= whole[2], arguments
    assert look("--skip", "*") == (0, 0, 100)


def test_what_is_left_out_says_so(place: Place):
    run = place.score("go.yaml", "-f", "json").document
    left = {c["id"]: c for c in run["checks"] if c["reason"] == "not_selected"}
    assert "performance/fk-without-index" in left
    assert "schema/fine" not in left
    done = place.run("score", "--policy", "go.yaml", "--skip", "*", "-f", "json")
    assert (done.code, done.document["verdict"]["decision"]) == (3, "HOLD")


# -- evidence --------------------------------------------------------------------------------------------------


def test_evidence_is_kept_beside_the_profile_or_where_it_is_asked_for(place: Place):
    assert place.score("go.yaml").code == 0
    assert (place.folder / ".readiness" / "evidence.db").is_file()
    own = place.folder / "own" / "e.db"
    place.score("go.yaml", "--evidence", own)
    assert own.is_file()
    told = place.folder / "told.db"
    place.score("go.yaml", env={"READINESS_EVIDENCE": str(told)})
    assert told.is_file()
    (place.folder / "readiness.yaml").unlink()
    place.score("go.yaml")
    home = Path(place.env["HOME"])
    assert (home / ".local" / "state" / "readiness" / "evidence.db").is_file()
    before = {p: p.stat().st_mtime_ns for p in home.rglob("*.db")}
    place.score("go.yaml", "--no-evidence")
    assert {p: p.stat().st_mtime_ns for p in home.rglob("*.db")} == before
    nowhere = "host=127.0.0.1 port=1 dbname=x password=very-secret"
    unkept = place.score("go.yaml", "--quiet", "--evidence", nowhere)
    assert (unkept.code, unkept.out) == (0, "")
    assert unkept.err.startswith("readiness: this run is not kept, and earlier evidence was not seen: ")
    assert "very-secret" not in unkept.err


# -- init ------------------------------------------------------------------------------------------------------


def test_what_init_writes_leads_back_to_the_database_that_it_looked_at(place: Place):
    """As the README says: init, then score, with nothing said twice; and the password stays where it was."""
    folder = place.folder / "own"
    folder.mkdir()
    password = place.env["PGPASSWORD"]
    uri = f"postgresql://{place.env['PGUSER']}:{password}@127.0.0.1:{place.env['PGPORT']}/{place.env['PGDATABASE']}"
    env = stage.environment(folder) | {"PGPASSWORD": password}
    done = stage.run("init", "--name", "mine", "-d", uri, env=env, cwd=folder)
    assert done.code == 0
    written = (folder / "readiness.yaml").read_text()
    assert password not in written
    assert written.endswith("}\n")
    assert set(yaml.safe_load(written)["database"]) == {"dsn"}
    done = stage.run("score", "-f", "json", "--only", "schema/missing-table", env=env, cwd=folder)
    assert (done.code, done.err) in {(3, ""), (1, "")}
    assert done.document["target"]["database"] == place.database.name


def test_the_auditors_own_schema_is_no_part_of_the_platform(place: Place, embedded_cluster: Cluster):
    with stage.database(embedded_cluster) as other:
        other.run("create schema app")
        store = TeamStore(other.dsn())
        store.close()
        done = place.run("init", "-o", "-", "-d", other.dsn())
        assert set(yaml.safe_load(done.out)["schemas"]) == {"app", "public"}
        other.run("drop schema readiness cascade; create schema readiness; create table readiness.of_theirs (id int)")
        done = place.run("init", "-o", "-", "-d", other.dsn())
        assert "readiness" in yaml.safe_load(done.out)["schemas"]


# -- profile, report -------------------------------------------------------------------------------------------


def test_a_profile_is_checked_without_connecting(place: Place):
    (place.folder / "readiness.yaml").write_text(
        "name: p\ntitle: The Platform\ndatabase: {dsn: host=nowhere.invalid}\nservices: {a: {}, b: {}}\nschemas: {s: {tables: {t: null}}}\n"
    )
    done = place.run("profile", "check")
    assert (done.code, done.err) == (0, "")
    assert "The Platform: 2 services, 0 stores, 1 schemas with 1 tables, 0 critical queries" in done.out
    done = place.run("profile", "check", "-p", "devmentor")
    assert done.code == 0
    (place.folder / "readiness.yaml").write_text("name: p\nservces: {}\n")
    done = place.run("profile", "check")
    assert (done.code, done.out) == (2, "")
    assert "readiness.yaml:2:1: servces: unknown key; did you mean 'services'?" in done.err


def test_the_profiles_schema_takes_what_the_tool_takes(place: Place):
    schema = json.loads(place.run("profile", "schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    shipped = Path(__file__).parent.parent / "config/readiness_config/profiles/devmentor.yaml"
    text = shipped.read_text(encoding="utf-8")
    assert [e.message for e in validator.iter_errors(json.loads(json.dumps(yaml.safe_load(text), default=str)))] == []
    assert list(validator.iter_errors({"name": "p", "servces": {}}))
    assert list(validator.iter_errors({"name": "p", "targets": {"connections": "many"}}))


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"schema": "readiness.run/9"}', "[" * 100_000])
def test_a_file_that_is_no_run_is_refused(place: Place, text: str):
    (place.folder / "run.json").write_text(text)
    done = place.run("report", "run.json")
    assert (done.code, done.out) == (2, "")
    assert done.err == "readiness: run.json: is no run document of this tool (readiness.run/1)\n"
    done = place.run("report", "nowhere.json")
    assert (done.code, done.err) == (2, "readiness: nowhere.json: can't be read: No such file or directory\n")


def test_a_kept_run_is_rendered_again(place: Place):
    """By its place in the store, as plan and diff take it; a document in a file needs neither store nor profile."""
    done = place.score("nogo.yaml", "-f", "json", "-o", "r.json")
    kept = done.out and json.loads((place.folder / "r.json").read_text())["id"]
    for word in ("last", kept):
        done = place.run("report", word, "-f", "json")
        assert (done.code, done.document["id"]) == (0, kept)
    (place.folder / "readiness.yaml").write_text("name: p\ndatabase: {dsn: '${NO_SUCH}'}\n")
    assert place.run("report", "r.json").code == 0


# -- roles -----------------------------------------------------------------------------------------------------

ESTATE = """
    create schema auth; create schema app;
    create table auth.users (id uuid primary key, email text, tags text);
    create table app.items (id serial primary key, owner uuid references auth.users, at timestamp, data text);
    insert into auth.users select gen_random_uuid(), 'a@b.c', 'x,y,z' from generate_series(1, 50);
    insert into app.items (owner, at, data) select id, now(), '{"a": 1}' from auth.users;
    create table public.pgmigrations (id int, name text, run_on timestamp);
    insert into public.pgmigrations values (1, '1_start', now());
    create extension pg_stat_statements;
    analyze
"""
ESTATE_PROFILE = """
name: estate
services: {auth: {schemas: [auth], role: auth_of_nobody}}
schemas: {auth: {tables: {users: {columns: {id: uuid}}}}}
queries: {all: {sql: select count(*) from auth.users}}
row_security: {tables: [auth.users]}
audit: {tables: [auth.users]}
probing: {query_samples: 3, query_seconds: 1}
"""


@pytest.fixture(scope="module")
def estate(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A platform on each of the servers in turn, and a role for each degree of trust."""
    with stage.database(cluster) as database:
        database.run(ESTATE)
        folder = tmp_path_factory.mktemp("estate")
        (folder / "readiness.yaml").write_text(ESTATE_PROFILE)
        (folder / "plain.yaml").write_text(stage.PLAIN)
        monitor = f"{database.name}_monitor"
        with cluster.connect() as admin:
            admin.execute(
                sql.SQL("create role {} login password 'bare-role-of-a-test' in role pg_monitor").format(
                    sql.Identifier(monitor)
                )
            )
        yield Place(folder, database, stage.environment(folder))
        with cluster.connect() as admin:
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(monitor)))


def by_role(estate: Place, name: str) -> dict[str, str]:
    match name:
        case "superuser":
            return libpq(estate.database, "postgres", estate.database.cluster.password)
        case "monitor":
            return libpq(estate.database, f"{estate.database.name}_monitor")
        case _:
            return libpq(estate.database)


@pytest.fixture(scope="module")
def seen(estate: Place) -> dict[str, dict[str, Any]]:
    """What each role sees."""
    found = {}
    for name in ("bare", "monitor", "superuser"):
        done = estate.run("score", "--policy", "plain.yaml", "-f", "json", env=by_role(estate, name))
        assert done.code == done.document["verdict"]["exit_code"]
        assert done.code in (0, 1, 3)
        assert done.err == ""
        found[name] = done.document
    return found


def test_the_weaker_the_role_the_less_it_knows_and_never_the_better_the_score(seen: dict[str, dict[str, Any]]):
    for run in seen.values():
        assert not {c["id"]: c["detail"] for c in run["checks"] if c["reason"] == "error"}
    figures = {n: [Fraction(r["verdict"][f"{k}_exact"]) for k in ("coverage", "score")] for n, r in seen.items()}
    for part in (0, 1):
        assert figures["bare"][part] <= figures["monitor"][part] <= figures["superuser"][part]
    assert figures["bare"][0] < figures["superuser"][0]
    statuses = {n: {c["id"]: c["status"] for c in r["checks"]} for n, r in seen.items()}
    for check, status in statuses["superuser"].items():
        for weaker in ("bare", "monitor"):
            assert statuses[weaker][check] in (status, "unknown"), (
                f"{check}: {weaker} sees it otherwise and doesn't say so"
            )
    assert any("superuser" in note for note in seen["superuser"]["notes"])
    assert not any("superuser" in note for note in seen["monitor"]["notes"])


def test_doctor_names_the_grants_and_the_points_that_hang_on_them(estate: Place):
    bare = estate.run("doctor", "--policy", "plain.yaml", env=by_role(estate, "bare"))
    assert (bare.code, bare.err) == (1, "")
    assert f"grant pg_monitor to {estate.database.bare_role};" in bare.out
    assert re.search(r"up to \+\d+\.\d", bare.out)
    monitor = estate.run("doctor", "--policy", "plain.yaml", env=by_role(estate, "monitor"))
    assert (monitor.code, monitor.err) == (1, "")
    assert "grant pg_monitor" not in monitor.out


def test_doctor_is_content_where_all_is_seen(place: Place):
    listed = json.loads(place.run("checks", "--format", "json", "--policy", "plain.yaml").out)
    others = "".join(f"  {c['id']}: {{priority: info}}\n" for c in listed if c["id"] != "schema/fine")
    (place.folder / "own.yaml").write_text(f"name: own\npacks: [./mine]\nchecks:\n{others}")
    (place.folder / "readiness.yaml").write_text("name: p\nprobing: {statement_seconds: 0.3}\n")
    done = place.run("doctor", "--policy", "own.yaml")
    assert (done.code, done.err) == (0, "")
    assert "Everything that the policy asks for can be seen." in done.out
    done = place.run("doctor", "--policy", "own.yaml", env={"PGPORT": "1"})
    assert (done.code, done.out) == (4, "")


def test_the_role_that_is_printed_can_be_made_and_can_audit(estate: Place, seen: dict[str, dict[str, Any]]):
    role = 'Odd "auditor" of a test'
    database, name = estate.database, sql.Identifier(role)
    printed = estate.run(
        "role-sql", "--policy", "plain.yaml", "--role", role, "--database-name", database.name, "--tier", "4"
    )
    assert (printed.code, printed.err) == (0, "")
    with database.connect() as admin:
        try:
            for _ in range(2):
                done = subprocess.run(
                    ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.dsn()],
                    input=printed.out,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, done.stderr
            admin.execute(sql.SQL("alter role {} password 'bare-role-of-a-test'").format(name))
            command = ("score", "--policy", "plain.yaml", "-f", "json")
            auditor = estate.run(*command, env=libpq(database, role))
            assert auditor.err == ""
            run = auditor.document
            assert auditor.code == run["verdict"]["exit_code"]
            assert run["target"]["role"] == role
            assert not [
                c["unlock"]
                for c in run["checks"]
                if c["reason"] == "no_permission" and "pg_monitor" in (c["unlock"] or "")
            ]
            assert run["verdict"]["coverage"] > seen["bare"]["verdict"]["coverage"]
            with psycopg.connect(database.dsn(user=role, password="bare-role-of-a-test"), autocommit=True) as session:
                for write in (
                    "create table public.mine (n int)",
                    "delete from auth.users",
                    "set default_transaction_read_only = off; delete from auth.users",
                ):
                    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                        session.execute(write.encode())
        finally:
            admin.execute(sql.SQL("drop owned by {}").format(name))
            admin.execute(sql.SQL("drop role if exists {}").format(name))


def test_each_tier_is_a_step(place: Place):
    scripts = []
    while (done := place.run("role-sql", "--policy", "plain.yaml", "--tier", str(len(scripts) + 1))).code == 0:
        scripts.append(done.out)
    assert done.code == 2
    assert len(scripts) >= 4
    for smaller, larger in itertools.pairwise(scripts):
        assert larger.startswith(smaller)
        assert len(larger) > len(smaller)
    assert "grant pg_monitor to readiness;" in scripts[0]
