"""What a user installs: the wheel, in an empty environment, run from another folder. Nothing of this tree is on its path."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

import stage
from asking import checks
from conftest import Database
from readiness.embedded import Cluster

ROOT = Path(__file__).parent.parent
SHELVES = ("src/readiness", "checks/readiness_checks", "config/readiness_config", "reports/readiness_reports")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `readiness` of an environment that holds the wheel and what it depends on, in the locked versions."""
    home = tmp_path_factory.mktemp("environment")
    constraints = home / "constraints.txt"
    constraints.write_text(
        "\n".join(re.findall(r"^[\w.-]+==[^ \\\n;]+", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    )
    venv.create(home / "venv", with_pip=False)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", home / "venv" / "bin" / "python"),
            *("install", "--quiet", "--disable-pip-version-check", "-c", constraints, wheel),
        ],
        check=True,
        capture_output=True,
    )
    return home / "venv" / "bin" / "readiness"


def run(program: Path, *arguments: str, cwd: Path) -> stage.Done:
    done = subprocess.run(
        [program, *arguments],
        cwd=cwd,
        env=stage.environment(cwd),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return stage.Done(done.returncode, done.stdout, done.stderr)


def test_the_wheel_holds_every_file_of_every_shelf(wheel: Path):
    """A template or a query that is left out is missed only where it is used."""
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *SHELVES],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    wanted = {name.split("/", 1)[1] for name in tracked if (ROOT / name).exists()}
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert wanted - held == set()
    assert {name.split("/")[0] for name in held} == {shelf.split("/")[1] for shelf in SHELVES}


def test_it_has_every_check_profile_policy_and_template(installed: Path, tmp_path: Path, embedded_database: Database):
    assert run(installed, "--version", cwd=tmp_path).out.startswith("readiness ")

    listed = json.loads(run(installed, "checks", "--format", "json", cwd=tmp_path).out)
    assert {c["id"] for c in listed} == set(checks())

    assert run(installed, "profile", "check", "-p", "devmentor", cwd=tmp_path).code == 0
    assert json.loads(run(installed, "profile", "schema", cwd=tmp_path).out)["$schema"]

    embedded_database.run("create table t (id int)")
    for policy in ("alpha", "beta", "ga"):
        report = tmp_path / f"{policy}.md"
        done = run(
            *(installed, "score", "-d", embedded_database.dsn(), "--policy", policy, "--no-evidence"),
            *("-f", "markdown", "-o", str(report)),
            cwd=tmp_path,
        )
        assert done.code in (1, 3), done.said
        assert "public.t" in report.read_text()

    done = run(installed, "init", "-d", embedded_database.dsn(), cwd=tmp_path)
    assert done.code == 0, done.said


def test_the_demo_has_all_that_it_needs(installed: Path, tmp_path: Path, debian_cluster: Cluster):
    """Without the extra's binaries it takes those that the system has."""
    done = run(installed, "demo", cwd=tmp_path)
    assert done.code == 0, done.said
    assert "NO-GO" in done.out
    assert (tmp_path / "readiness-report.md").is_file()
