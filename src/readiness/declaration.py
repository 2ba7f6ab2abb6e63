"""Schemas as a profile declares them, in YAML: what is there, so that it conforms to itself exactly."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from readiness.facts.definitions import DefinedColumn, DefinedExtension, DefinedTable
from readiness.facts.grants import Grant, phrased
from readiness.facts.inventory import Inventory

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.()]*(?: [A-Za-z0-9_.()]+)*")
_NO_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def written(found: Inventory) -> str:
    """The sections `schemas` and `extensions` of a profile, every schema declared complete."""
    return "\n".join([*_schemas(found), "", *_extensions(found.extensions)]) + "\n"


def scalar(value: str) -> str:
    """A YAML scalar that reads back as the same text: plain where that is safe, else in double quotes."""
    if _PLAIN.fullmatch(value) and value.lower() not in _NO_TEXT:
        return value
    # YAML takes JSON's escapes, but no pairs of surrogates: what is printable stands for itself.
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else _escaped(c) for c in value) + '"'


def _escaped(character: str) -> str:
    if character < "\x7f":
        return json.dumps(character)[1:-1]
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def text(value: str) -> str:
    """A scalar where `${...}` would be put in: a dollar sign is written twice."""
    return scalar(value.replace("$", "$$"))


def _schemas(found: Inventory) -> Iterator[str]:
    if not found.schemas:
        yield "schemas: {}"
        return
    yield "schemas:"
    grants = _grants(found)
    for schema in found.schemas.values():
        yield f"  {scalar(schema.name)}:"
        yield "    complete: true"
        yield f"    owner: {text(schema.owner)}"
        yield f"    grants: {grants['schema', schema.name][schema.name]}"
        if schema.comment is not None:
            yield f"    comment: {text(schema.comment)}"
        if schema.enums:
            yield "    enums:"
            for name, labels in schema.enums.items():
                yield f"      {scalar(name)}: [{', '.join(map(text, labels))}]"
        if schema.tables:
            yield "    tables:"
            for table in schema.tables.values():
                yield from _table(table, grants.get(("table", schema.name), {}).get(table.name))
        for kind in ("partition", "view", "sequence", "function"):
            if of_kind := grants.get((kind, schema.name)):
                yield f"    {kind}s:"
                yield from (f"      {scalar(name)}: {{grants: {given}}}" for name, given in of_kind.items())


def _grants(found: Inventory) -> dict[tuple[str, str], dict[str, str]]:
    """(kind, schema) -> name -> what is granted; of an object that is no schema only where it isn't the default."""
    written: dict[tuple[str, str], dict[str, str]] = {}
    tables = {(o.schema, o.name): o for o in found.grants if o.kind == "table"}
    for o in found.grants:
        by_default = tables[o.part_of].grants if o.part_of in tables else o.default
        only_default = all(any(d.implies(g) for d in by_default) for g in o.grants)
        if o.kind == "schema" or not only_default or len(o.default) > len(o.grants):
            written.setdefault((o.kind, o.schema), {})[o.name] = _by_role(o.grants, found.privileges[o.granted_as])
    return written


def _by_role(grants: Iterable[Grant], known: Collection[str]) -> str:
    roles: dict[str | None, dict[bool, list[Grant]]] = {}
    for grant in grants:
        roles.setdefault(grant.role, {}).setdefault(grant.grantable, []).append(grant)
    told = (
        f"{'PUBLIC' if role is None else scalar(role)}: [{', '.join(_words(given, known))}]"
        for role, given in roles.items()
    )
    return f"{{{', '.join(told)}}}"


def _words(given: Mapping[bool, Iterable[Grant]], known: Collection[str]) -> Iterator[str]:
    for grantable, grants in given.items():
        for words in phrased(grants, known):
            yield text(f"{words} with grant option" if grantable else words)


def _table(table: DefinedTable, grants: str | None) -> Iterator[str]:
    yield f"      {scalar(table.name)}:"
    yield f"        owner: {text(table.owner)}"
    if grants is not None:
        yield f"        grants: {grants}"
    if table.comment is not None:
        yield f"        comment: {text(table.comment)}"
    if table.row_security != "off":
        yield f"        row_security: {scalar(table.row_security)}"
    if table.columns:
        yield "        columns:"
        for name, column in table.columns.items():
            yield f"          {scalar(name)}: {_column(column)}"
    for section, definitions in (("constraints", table.constraints), ("indexes", table.indexes)):
        if definitions:
            yield f"        {section}:"
            for name, definition in definitions.items():
                yield f"          {scalar(name)}: {text(definition)}"


def _column(column: DefinedColumn) -> str:
    words = {
        "nullable": None if column.nullable else "false",
        **{
            key: None if value is None else text(value)
            for key, value in (
                ("default", column.default),
                ("generated", column.generated),
                ("identity", column.identity),
                ("collation", column.collation),
                ("comment", column.comment),
            )
        },
    }
    said = [f"{key}: {value}" for key, value in words.items() if value is not None]
    if not said:
        return text(column.type)
    return f"{{{', '.join([f'type: {text(column.type)}', *said])}}}"


def _extensions(extensions: Mapping[str, DefinedExtension]) -> Iterator[str]:
    if not extensions:
        yield "extensions: {}"
        return
    yield "extensions:"
    for name, extension in extensions.items():
        yield f"  {scalar(name)}: {{schema: {text(extension.schema)}, version: {text(extension.version)}}}"
