"""Rails (Active Record): `db/migrate/20240101120000_add_users.rb`, with `change`, or `up` and `down`.

https://guides.rubyonrails.org/active_record_migrations.html. `schema_migrations` holds the digits alone; beside it stands
`ar_internal_metadata`. A `change` is undone by Rails itself, save for the operations that it names as irreversible.
"""

import re

from readiness.facts.frameworks.form import Folder, Framework, MigrationFile

# Of ActiveRecord::Migration::CommandRecorder: what it can't invert, and what it can only with more told.
_NEVER = re.compile(r"\b(?:execute|change_column|remove_columns|update|delete)\b(?!_)[^\n]*")
_DROPS_BARE = re.compile(
    r"\bdrop_table\b(?![^\n]*\bdo\b)(?![^\n]*\{)|\bremove_column\s*\(?\s*:?\w+\s*,\s*:?\w+\s*\)?\s*$", re.MULTILINE
)


def read(folder: Folder) -> list[MigrationFile]:
    found = []
    for match in folder.matching(r"(?:.*/)?(\d+)_\w+\.rb"):
        text = re.sub(r"^\s*#[^\n]*", "", folder.text(match[0]), flags=re.MULTILINE)
        if not re.search(r"ActiveRecord::Migration\b", text):
            continue
        found.append(MigrationFile(path=match[0], name=match[1], reversible=_undoes(text)))
    return sorted(found, key=lambda f: int(f.name))


def _undoes(text: str) -> bool:
    if "IrreversibleMigration" in text:
        return False
    if re.search(r"\bdef\s+(?:self\.)?up\b", text):
        back = re.search(r"^([ \t]*)def\s+(?:self\.)?down\b[^\n]*\n(.*?)^\1end\b", text, re.MULTILINE | re.DOTALL)
        return bool(back and back[2].strip())
    if re.search(r"\breversible\b|\bup_only\b", text):
        return True
    body = re.search(r"\bdef\s+change\b(.*)", text, re.DOTALL)
    return bool(body and not _NEVER.search(body[1]) and not _DROPS_BARE.search(body[1]))


FRAMEWORK = Framework(
    name="rails",
    table="schema_migrations",
    columns=frozenset({"version"}),
    exclusive=frozenset({"dirty", "inserted_at"}),
    companion="ar_internal_metadata",
    query="select version::text as name, 'applied' as state from {} order by version",
    read=read,
)
