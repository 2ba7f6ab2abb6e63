"""Schemas as a profile declares them, in YAML: what is there, so that it conforms to itself exactly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from readiness.facts.definitions import DefinedColumn, DefinedExtension, DefinedSchema, DefinedTable

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.()]*(?: [A-Za-z0-9_.()]+)*")
_NO_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def written(schemas: Mapping[str, DefinedSchema], extensions: Mapping[str, DefinedExtension]) -> str:
    """The sections `schemas` and `extensions` of a profile, every schema declared complete."""
    return "\n".join([*_schemas(schemas), "", *_extensions(extensions)]) + "\n"


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


def _schemas(schemas: Mapping[str, DefinedSchema]) -> Iterator[str]:
    if not schemas:
        yield "schemas: {}"
        return
    yield "schemas:"
    for schema in schemas.values():
        yield f"  {scalar(schema.name)}:"
        yield "    complete: true"
        yield f"    owner: {text(schema.owner)}"
        if schema.comment is not None:
            yield f"    comment: {text(schema.comment)}"
        if schema.enums:
            yield "    enums:"
            for name, labels in schema.enums.items():
                yield f"      {scalar(name)}: [{', '.join(map(text, labels))}]"
        if schema.tables:
            yield "    tables:"
            for table in schema.tables.values():
                yield from _table(table)


def _table(table: DefinedTable) -> Iterator[str]:
    yield f"      {scalar(table.name)}:"
    yield f"        owner: {text(table.owner)}"
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
