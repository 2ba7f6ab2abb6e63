"""Settings as the profile approves them: by what they mean, not by how they are written."""

from __future__ import annotations

import pytest

from asking import ask, found, remedies
from conftest import Database
from readiness.model import Examined, NotApplicable, Reason, Unknown
from readiness.profile import Profile

CHECK = "operations/setting-differs"


def approving(**settings: str | bool | float) -> Profile:
    return Profile(name="test", settings=settings)


def test_each_is_compared_by_what_it_means_and_mended(database: Database):
    database.run(
        f"alter database {database.name} set work_mem = '64MB'; alter database {database.name} set jit = off;"
        f"alter database {database.name} set default_statistics_target = 250;"
        f"alter database {database.name} set statement_timeout = '90s'"
    )
    same = approving(
        work_mem="65536kB", jit="off", default_statistics_target=250, statement_timeout="1.5min", max_connections=60,
        Shared_Preload_Libraries='"pg_stat_statements"', wal_level="LOGICAL", full_page_writes=False, DateStyle="ISO,MDY",
    )  # fmt: skip
    outcome = ask(CHECK, database.dsn(), profile=same)
    assert isinstance(outcome, Examined)
    assert (found(outcome), len(outcome.observations), outcome.unseen) == (set(), 9, ())
    as_bare = ask(CHECK, database.bare_dsn(), profile=same)
    assert isinstance(as_bare, Unknown)
    assert [(u.subject, u.reason) for u in as_bare.unseen] == [("Shared_Preload_Libraries", Reason.NO_PERMISSION)]

    other = approving(
        work_mem="32MB", jit=True, statement_timeout="90min", max_connections=61, default_statistics_target="x"
    )
    outcome = ask(CHECK, database.dsn(), profile=other)
    assert found(outcome) == set(other.settings)
    told = remedies(outcome)
    assert any("next start" in remedy for remedy in told)
    database.run("".join(remedy for remedy in told if "alter database" in remedy and "'x'" not in remedy))
    assert found(ask(CHECK, database.dsn(), profile=other)) == {"max_connections", "default_statistics_target"}


def test_what_can_not_be_told(database: Database):
    nothing = ask(CHECK, database.dsn())
    assert isinstance(nothing, Unknown)
    assert nothing.reason is Reason.NOT_CONFIGURED
    assert isinstance(ask(CHECK, database.dsn(), profile=approving()), NotApplicable)

    hidden = approving(data_directory="/x", **{"no.such": "1"})
    assert found(ask(CHECK, database.dsn(), profile=hidden)) == {"data_directory", "no.such"}
    as_bare = ask(CHECK, database.bare_dsn(), profile=hidden)
    assert isinstance(as_bare, Unknown)
    assert {u.reason for u in as_bare.unseen} == {Reason.NO_PERMISSION}
    assert "pg_read_all_settings" in (as_bare.unlock or "")

    database.run(f"alter role {database.bare_role} set work_mem = '1GB'")
    own = ask(CHECK, database.bare_dsn(), profile=approving(work_mem="1GB"))
    assert isinstance(own, Unknown)
    assert own.reason is Reason.NOT_OBSERVABLE


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match="settings"):
        approving(**{"work mem; drop": "1"})
