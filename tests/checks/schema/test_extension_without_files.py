"""Files can't be taken from a server that other tests use: the catalog is told of an extension that never was."""

from __future__ import annotations

from asking import ask, found
from conftest import Database


def test_extension_without_files(embedded_database: Database):
    check = "schema/extension-without-files"
    assert found(ask(check, embedded_database.dsn())) == set()
    embedded_database.run(
        "insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)"
        " select 999999, 'Odd, gone', 10, 11, false, '1.0'"
    )
    assert (
        found(ask(check, embedded_database.dsn())) == {"Odd, gone"} == found(ask(check, embedded_database.bare_dsn()))
    )
    embedded_database.run("delete from pg_extension where oid = 999999")
    assert found(ask(check, embedded_database.dsn())) == set()
