"""Columns that the profile declares encrypted, and what their values look like: counted by the server, no value leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from readiness.authoring import Unobservable
from readiness.facts.catalog import split_name
from readiness.facts.postgres import Postgres
from readiness.facts.samples import LARGE_PAGES, LOOKED_THROUGH
from readiness.facts.target import Target
from readiness.model import Reason, quote_ident


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredColumn:
    """What the sampled values are, none of them null.

    Args:
        type: the type below its domains.
        values: how many were looked at.
        encrypted: how many bear the mark of an encryption: OpenPGP's (pgcrypto), Fernet's, Vault's or Rails'.
        clear: how many can be read as they are.
    """

    table: str
    column: str
    type: str
    values: int
    encrypted: int
    clear: int

    @property
    def remedy(self) -> str:
        """SQL that enciphers what is in clear by pgcrypto, with a key that is the session's alone."""
        table, column, key = self.table, self.column, "pg_catalog.current_setting('app.key')"
        head = (
            "-- Who reads and writes it must decipher and encipher from now on; old versions of the rows go with VACUUM FULL.\n"
            "create extension if not exists pgcrypto;\n-- set app.key = '...';  in this session, from where keys are kept\n"
        )
        if self.type not in ("bytea", "text", "varchar", "bpchar"):
            sealed = f"pgp_sym_encrypt({column}::text, {key})"
            return f"{head}alter table {table} alter column {column} type bytea using {sealed};"
        wider, sealed = "", f"pgp_sym_encrypt_bytea({column}, {key})"
        if self.type != "bytea":
            sealed = f"armor(pgp_sym_encrypt({column}, {key}))"
        if self.type in ("varchar", "bpchar"):  # the message is longer
            wider = f"alter table {table} alter column {column} type text;\n"
        form = _FORMS[self.type]
        # of the column itself, which an alias gives the name that the conditions have
        clear = f"(select not ({form['encrypted']}) and {form['clear']} from (select {column} as v) as s)"
        return f"{head}{wider}update {table} set {column} = {sealed}\nwhere {clear};"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredColumns:
    """By their quoted names, or why one could not be looked at; empty where the profile declares none."""

    by_name: Mapping[str, DeclaredColumn | Unobservable]

    @classmethod
    def take(cls, postgres: Postgres, target: Target) -> Self:
        asked = [
            (*split_name(table), column)
            for table, columns in target.profile.encrypted_columns.items()
            for column in columns
        ]
        found: dict[str, DeclaredColumn | Unobservable] = {}
        for schema, table, column in asked:
            quoted = f"{quote_ident(schema)}.{quote_ident(table)}"
            name = f"{quoted}.{quote_ident(column)}"
            try:
                found[name] = _look(postgres, schema, table, column, target.profile.probing.sample_rows)
            except Unobservable as refusal:
                found[name] = refusal
        return cls(by_name=found)


def _look(postgres: Postgres, schema: str, table: str, column: str, wanted: int) -> DeclaredColumn:
    rows = postgres.rows(_COLUMN, (schema, table, column), marker="encrypted-columns")
    quoted, name = f"{quote_ident(schema)}.{quote_ident(table)}", quote_ident(column)
    if not rows:
        raise Unobservable(
            Reason.NOT_CONFIGURED,
            "the profile declares it encrypted (encrypted_columns), and there is no such column",
            "take it out of the profile, or make it",
        )
    (row,) = rows
    role = quote_ident(row["role"])
    if row["foreign_parts"]:
        raise Unobservable(Reason.NOT_OBSERVABLE, "a part of it lies on a foreign server, which is never asked")
    if not row["readable"]:
        raise Unobservable(
            Reason.NO_PERMISSION,
            "the role may not read it",
            f"grant usage on schema {quote_ident(schema)} to {role}; grant select ({name}) on {quoted} to {role};",
        )
    if row["filtered"]:
        raise Unobservable(
            Reason.NO_PERMISSION, "row level security hides rows from the role", f"alter role {role} bypassrls;"
        )
    large = row["pages"] > LARGE_PAGES
    share = min(100.0, 100.0 * 200 / row["pages"]) if large else 100.0
    drawn = f" tablesample system ({share:.6f}) repeatable (0)" if large else ""  # the same pages each time
    form = _FORMS.get(row["type"], _OTHER)
    (counted,) = postgres.rows(
        f"select pg_catalog.count(*) as values, pg_catalog.count(*) filter (where {form['encrypted']}) as encrypted, "
        f"pg_catalog.count(*) filter (where not ({form['encrypted']}) and {form['clear']}) as clear "
        f"from (select {form['value']} as v from (select {name} as v from {quoted}{drawn} limit {LOOKED_THROUGH}) as s "
        f"where s.v is not null limit {wanted}) as s",
        marker="encrypted-columns",
    )
    if not counted["values"]:
        raise Unobservable(
            Reason.INSUFFICIENT_SAMPLES, "no value of it was seen that is not null", "audit when there are rows"
        )
    return DeclaredColumn(table=quoted, column=name, type=row["type"], **counted)


# An OpenPGP message begins with a packet of an encrypted session key: by a password (tag 3, version 4: pgp_sym_encrypt and
# gpg -c) or by a public key (tag 1, version 3), whose length takes one byte or two (RFC 4880, 4.2 and 5.1 to 5.3); what pgcrypto
# writes begins with C3 or C1, GnuPG's with 8C, 84 or 85. Bytes count as readable where all of them are ASCII.
_BYTES = {
    "value": "s.v",
    "encrypted": (
        "pg_catalog.octet_length(s.v) > 32 and ("
        "(pg_catalog.get_byte(s.v, 0) in (195, 140) and pg_catalog.get_byte(s.v, 2) = 4) or ("
        "pg_catalog.get_byte(s.v, 0) in (193, 132, 133) and 3 in (pg_catalog.get_byte(s.v, 2), pg_catalog.get_byte(s.v, 3))))"
    ),
    "clear": r"pg_catalog.octet_length(s.v) > 0 and pg_catalog.encode(s.v, 'escape') !~ '\\[0-7]{3}'",
}
# As text: armored; those first bytes in base64 or in hex; Fernet's version and time; what Vault's transit engine and
# ActiveRecord::Encryption write. What else is one long word of base64 or hex may be enciphered, and may not.
_MARKS = (
    "-----BEGIN PGP MESSAGE-----",
    r"(ww[\w+/]E|jA[\w+/]E|wc[A-Z]|hQ[A-Z])[\w+/\s]{60,}={0,2}\s*$",
    r"(\\x)?(c3|8c)[0-9a-f]{2}04[0-9a-f]{60,}$",
    r"gAAAAA[\w-]{60,}={0,2}$",
    r"vault:v\d+:[\w+/]{16,}={0,2}$",
    r'\{\s*"[ph]":\s*.*"iv":',
)
_TEXT = {
    "value": "s.v::pg_catalog.text",
    "encrypted": f"s.v ~ '^({'|'.join(_MARKS)})'",
    "clear": r"s.v <> '' and s.v !~ '^(\\x)?[\w+/-]{22,}={0,2}\s*$'",
}
_JSON = _TEXT | {"value": "pg_catalog.to_jsonb(s.v) #>> '{}'"}
_FORMS = {"bytea": _BYTES, "json": _JSON, "jsonb": _JSON} | dict.fromkeys(("text", "varchar", "bpchar"), _TEXT)
_OTHER = {"value": "s.v", "encrypted": "false", "clear": "true"}  # a date or a number is no ciphertext

_COLUMN = """
with recursive parts as (
    select c.oid, c.relkind, c.relpages
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    where ns.nspname = $1 and c.relname = $2
    union all
    select child.oid, child.relkind, child.relpages
    from parts as p
    inner join pg_catalog.pg_inherits as i on p.oid = i.inhparent
    inner join pg_catalog.pg_class as child on i.inhrelid = child.oid
),
types as (
    select t.typname, t.typbasetype
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
    inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid
    inner join pg_catalog.pg_type as t on a.atttypid = t.oid
    where ns.nspname = $1 and c.relname = $2 and a.attname = $3
    union all
    select below.typname, below.typbasetype
    from types as t
    inner join pg_catalog.pg_type as below on t.typbasetype = below.oid
)
select
    current_user::text as role,
    (select t.typname::text from types as t where t.typbasetype = 0) as type,
    (select pg_catalog.sum(p.relpages) from parts as p)::int8 as pages,
    exists (select from parts as p where p.relkind = 'f') as foreign_parts,
    pg_catalog.has_schema_privilege(ns.oid, 'usage') and pg_catalog.has_column_privilege(c.oid, a.attnum, 'select') as readable,
    pg_catalog.row_security_active(c.oid) as filtered
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as ns on c.relnamespace = ns.oid
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped
where ns.nspname = $1 and c.relname = $2 and a.attname = $3 and c.relkind in ('r', 'p', 'm', 'f')
"""
