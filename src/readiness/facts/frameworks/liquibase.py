"""Liquibase: change sets in changelogs (formatted SQL, XML, YAML, JSON), each by file, id and author.

https://docs.liquibase.com (changelog formats, automatic rollback). Its MD5 is of an inner form of the change, different by
version, and is not computed here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import yaml

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile, Script, part

_SET = re.compile(
    r"^--\s*changeset\s+((?:\"[^\"]+\"|'[^']+'|[^\s:]+)):(\"[^\"]+\"|'[^']+'|\S+)([^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)
_BACK = re.compile(r"^--\s*rollback[ \t]*([^\n]*)$", re.IGNORECASE | re.MULTILINE)

# What Liquibase undoes by itself ("auto rollback" in its list of change types).
_UNDONE = frozenset(
    [
        "addAutoIncrement",
        "addCheckConstraint",
        "addColumn",
        "addDefaultValue",
        "addForeignKeyConstraint",
        "addLookupTable",
        "addNotNullConstraint",
        "addPrimaryKey",
        "addUniqueConstraint",
        "createIndex",
        "createSequence",
        "createTable",
        "createView",
        "disableCheckConstraint",
        "dropNotNullConstraint",
        "enableCheckConstraint",
        "renameColumn",
        "renameSequence",
        "renameTable",
        "renameTrigger",
        "renameView",
        "setColumnRemarks",
        "setTableRemarks",
        "tagDatabase",
    ]
)
_NO_CHANGE = frozenset(
    ["comment", "preConditions", "validCheckSum", "rollback", "modifySql", "property", "tagDatabase"]
)


def read(folder: Folder) -> list[MigrationFile]:
    found: list[MigrationFile] = []
    for path in folder.names:
        text = folder.text(path) if path.endswith((".sql", ".xml", ".yaml", ".yml", ".json")) else ""
        if path.endswith(".sql") and re.match(r"\s*--\s*liquibase formatted sql", text, re.IGNORECASE):
            found += _sql(Script(path=path, sql=text))
        elif "databaseChangeLog" in text:
            sets = _xml(text) if path.endswith(".xml") else _tree(text, path)
            found += [
                MigrationFile(path=path, name=f"{path}::{its}::{author}", reversible=can) for its, author, can in sets
            ]
    return found


def _sql(whole: Script) -> Iterator[MigrationFile]:
    marks = list(_SET.finditer(whole.sql))
    for at, mark in enumerate(marks):
        end = marks[at + 1].start() if at + 1 < len(marks) else len(whole.sql)
        up = part(whole, mark.end(), end)
        if re.search(r"runInTransaction:\s*false", mark[3], re.IGNORECASE):
            up = up.untied()
        backs = list(_BACK.finditer(whole.sql, mark.end(), end))
        told = "\n".join(b[1] for b in backs).strip()
        name = f"{whole.path}::{mark[2].strip(_QUOTES)}::{mark[1].strip(_QUOTES)}"
        if told.lower() in ("empty", "not required"):
            yield MigrationFile(path=whole.path, name=name, up=up, reversible=True)
        else:
            down = replace(up, line=part(whole, backs[0].start()).line, sql=told) if backs else None
            yield form.both_ways(whole.path, name, up, down)


_QUOTES = "\"'"


def _xml(text: str) -> Iterator[tuple[str, str, bool]]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # no entity is expanded
        return
    try:
        root = ET.fromstring(text)  # noqa: S314
    except ET.ParseError:
        return
    for its in root.iter():
        if _local(its.tag) == "changeSet":
            kinds = [_local(child.tag) for child in its]
            yield its.get("id", ""), its.get("author", ""), _can(kinds)


def _local(tag: Any) -> str:
    return str(tag).rpartition("}")[2]


def _tree(text: str, path: str) -> Iterator[tuple[str, str, bool]]:
    try:
        whole = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError):
        return
    entries = whole.get("databaseChangeLog") if isinstance(whole, Mapping) else None
    for entry in entries if isinstance(entries, list) else ():
        its = entry.get("changeSet") if isinstance(entry, Mapping) else None
        if isinstance(its, Mapping):
            changes = its.get("changes")
            kinds = (
                [k for c in changes if isinstance(c, Mapping) for k in c if isinstance(k, str)]
                if isinstance(changes, list)
                else []
            )
            kinds += ["rollback"] if "rollback" in its else []
            name, author = its.get("id"), its.get("author")
            if isinstance(name, str | int | float) and isinstance(author, str | int | float):
                yield str(name), str(author), _can(kinds)


def _can(kinds: list[str]) -> bool:
    return "rollback" in kinds or all(k in _UNDONE for k in kinds if k not in _NO_CHANGE)


def key(name: str) -> tuple[str, ...]:
    """The history has the file as its runner was told of it, from another folder than ours: its last part counts."""
    path, *rest = name.split("::")
    return (path.replace("\\", "/").rpartition("/")[2], *rest)


FRAMEWORK = Framework(
    name="liquibase",
    table="databasechangelog",
    columns=frozenset({"id", "author", "filename", "orderexecuted", "exectype", "md5sum"}),
    query="select filename || '::' || id || '::' || author as name, "
    "case when exectype = 'FAILED' then 'failed' else 'applied' end as state, "
    "extract(epoch from dateexecuted::timestamptz)::float8 as at from {} order by orderexecuted",
    lock_table="databasechangeloglock",
    lock="select extract(epoch from now() - lockgranted::timestamptz)::float8 as seconds, lockedby as holder from {} where locked",
    read=read,
    key=key,
)
