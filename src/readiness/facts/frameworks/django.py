"""Django: `<app>/migrations/0001_initial.py`, a graph by `dependencies`; read as Python, never run.

https://docs.djangoproject.com/en/stable/topics/migrations. An operation undoes itself, unless it is a RunSQL or RunPython
without its other half. The folder is the project's (or an app's own `migrations`): each app has its own inside it.
"""

import ast
import re
from collections.abc import Sequence

from readiness.facts.frameworks import python
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile, Record


def read(folder: Folder) -> list[MigrationFile]:
    found = []
    for match in folder.matching(r"(?:(?:.*/)?([^/]+)/)?(?:migrations/)?(\d{4}_\w+|\w+)\.py"):
        parts = match[0].split("/")
        if "migrations" in parts[:-1]:
            app = parts[parts.index("migrations") - 1] if parts.index("migrations") else folder.path.parent.name
        elif folder.path.name == "migrations" and len(parts) == 1:
            app = folder.path.parent.name
        else:
            continue
        module = python.parse(folder.text(match[0]))
        its = next((n for n in module.body if _is_migration(n)), None) if module else None
        if not isinstance(its, ast.ClassDef):
            continue
        values = python.assigned(its)
        name = f"{_label(folder, match[0], app)}.{match[2]}"
        replaces = tuple(f"{a}.{n}" for a, n in _pairs(values.get("replaces")))
        can = all(_undoes(op) for op in _operations(its))
        found.append(MigrationFile(path=match[0], name=name, reversible=can, after=_after(its), replaces=replaces))
    return found


def _is_migration(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == "Migration"


def _label(folder: Folder, path: str, app: str) -> str:
    """The app's label, which its AppConfig may set."""
    home = path.rpartition("/migrations/")[0] if "/migrations/" in path else ".."
    try:
        config = (folder.path / home / "apps.py").read_text("utf-8", "replace")
    except OSError:
        return app
    match = re.search(r"^\s+label\s*=\s*[\"'](\w+)[\"']", config, re.MULTILINE)
    return match[1] if match else app


def _pairs(value: object) -> list[tuple[str, str]]:
    rows = value if isinstance(value, list | tuple) else ()
    return [(str(r[0]), str(r[1])) for r in rows if isinstance(r, list | tuple) and len(r) == 2]


def _after(its: ast.ClassDef) -> tuple[str, ...]:
    """What it depends on, as far as that is written out (`swappable_dependency` is not)."""
    found = []
    for node in its.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="dependencies")], value=ast.List(elts=elements)):
                for element in elements:
                    try:
                        found += [f"{a}.{n}" for a, n in _pairs([ast.literal_eval(element)])]
                    except ValueError:
                        continue
    return tuple(found)


def _operations(its: ast.ClassDef) -> list[ast.Call]:
    for node in its.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="operations")], value=ast.List(elts=elements)):
                return [e for e in elements if isinstance(e, ast.Call)]
    return []


def _undoes(operation: ast.Call) -> bool:
    name = ast.unparse(operation.func).rpartition(".")[2]
    halves = {"RunSQL": "reverse_sql", "RunPython": "reverse_code"}
    if name in halves:
        return len(operation.args) >= 2 or any(k.arg == halves[name] for k in operation.keywords)
    if name == "SeparateDatabaseAndState":
        inner = [k.value for k in operation.keywords if k.arg == "database_operations"] + operation.args[:1]
        calls = [e for value in inner if isinstance(value, ast.List) for e in value.elts if isinstance(e, ast.Call)]
        return all(_undoes(call) for call in calls)
    return True


def applied(files: Sequence[MigrationFile], records: Sequence[Record]) -> frozenset[str]:
    """What is recorded, and a squashed one whose parts all are."""
    done = {r.name for r in records}
    return frozenset(done | {f.name for f in files if f.replaces and done.issuperset(f.replaces)})


def known(files: Sequence[MigrationFile], record: Record) -> bool:
    """Whether the record is of an app in the folder: others bring their migrations along when they are installed."""
    app = record.name.partition(".")[0]
    replaced = {r for f in files for r in f.replaces}
    return record.name not in replaced and any(f.name.partition(".")[0] == app for f in files)


FRAMEWORK = Framework(
    name="django",
    table="django_migrations",
    columns=frozenset({"id", "app", "name", "applied"}),
    query="select app || '.' || name as name, 'applied' as state, extract(epoch from applied)::float8 as at from {} order by id",
    read=read,
    applied=applied,
    known=known,
)
