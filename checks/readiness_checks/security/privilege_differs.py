from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from readiness import RATIO, Answer, NotApplicable, Observation, check, quote_ident
from readiness.facts.catalog import CanonicalSchema
from readiness.facts.grants import Grant, GrantedObject, Grants, phrased
from readiness.model import Scalar
from readiness.profile import COLUMN_PRIVILEGES, Privilege, Schema


@check(
    subject="table",
    universe="schemas, tables, views, sequences and functions whose privileges are declared",
    priority="P2",
    effort="S",
    credit=RATIO,
    mend="""
    Grant what a service lacks; of what nobody declared ask who uses it (a role that is revoked what it works with fails at
    its next statement), then revoke it, or declare it. A role that doesn't exist is created first. What comes back by
    itself comes from `alter default privileges`.
    """,
    links=("https://www.postgresql.org/docs/current/ddl-priv.html",),
)
def privilege_differs(canonical: CanonicalSchema, grants: Grants) -> Answer:
    """Every role holds the privileges that are declared, and no others.

    Privileges pile up: one for a repair by night, one for a service that is gone, one to everybody because it was quick. Each
    is a way in that nobody thinks of. Those that lack are found by the users. A partition may hold what its table holds: a
    privilege of its own leads around the table's, and around its row level security.
    """
    answers = list(_compared(canonical.schemas, grants))
    return answers or NotApplicable("0 objects whose privileges are declared are there")


def _compared(schemas: Mapping[str, Schema], grants: Grants) -> Iterator[Observation]:
    live = {o.key for o in grants.objects}
    declared = grants.declared
    for found in grants.objects:
        wanted = declared.get(found.key)
        if wanted is not None:
            yield _judge(found, _expanded(found, wanted, grants), grants, exactly=True)
        elif found.part_of is not None and (of_table := declared.get(("table", *found.part_of))) is not None:
            yield _judge(found, _expanded(found, of_table, grants), grants, exactly=False)
        elif _all_is_said(schemas[(found.part_of or (found.schema,))[0]]):
            yield _judge(found, found.default, grants, exactly=False)
    for kind, schema, name in sorted(declared.keys() - live):
        # schema/missing-schema and schema/missing-table tell of those.
        if kind not in ("schema", "table") and ("schema", schema, schema) in live:
            subject = f"{quote_ident(schema)}.{name if kind == 'function' else quote_ident(name)}"
            yield Observation(subject=subject, kind=_KINDS.get(kind, kind), ok=False, evidence={"live": "missing"})


_KINDS = {"partition": "table"}  # of subjects


def _all_is_said(schema: Schema) -> bool:
    """Whether what it doesn't say of an object is declared to be nothing beyond the default."""
    return schema.complete and "grants" in schema.model_fields_set


def _expanded(found: GrantedObject, declared: Mapping[str, Sequence[Privilege]], grants: Grants) -> tuple[Grant, ...]:
    """One by one; the owner's own stay out, as they do of what is found."""
    return tuple(
        Grant(role=None if role in ("PUBLIC", "public") else role, privilege=word, column=column, grantable=p.grantable)
        for role, given in declared.items()
        if role != found.owner
        for p in given
        for column in p.columns or (None,)
        for word in _words(p, grants.known[found.granted_as])
    )


def _words(given: Privilege, known: Iterable[str]) -> Iterable[str]:
    if given.word != "all":
        return (given.word,)
    return (w for w in known if not given.columns or w in COLUMN_PRIVILEGES)


def _judge(found: GrantedObject, wanted: Sequence[Grant], grants: Grants, *, exactly: bool) -> Observation:
    missing = [w for w in wanted if not any(g.implies(w) for g in found.grants)] if exactly else []
    extra = [g for g in found.grants if not any(w.implies(g) for w in wanted)]
    known = grants.known[found.granted_as]
    evidence: dict[str, Scalar] = {}
    if missing:
        evidence["missing"] = _told(missing, known)
    if extra:
        evidence["undeclared"] = _told(extra, known)
    if gone := sorted({w.role for w in missing if w.role is not None and w.role not in grants.roles}):
        evidence["missing_roles"] = ", ".join(map(quote_ident, gone))
    may = not gone and all(_can_be_granted(found, w, grants) for w in missing)
    kept = [w for w in wanted if w in missing or any(g.implies(w) for g in found.grants)]
    return Observation(
        subject=found.quoted,
        kind=_KINDS.get(found.kind, found.kind),
        ok=not missing and not extra,
        evidence=evidence,
        remedy="\n".join(_remedy(found, kept, extra, known)) if may and (missing or extra) else None,
    )


def _can_be_granted(found: GrantedObject, wanted: Grant, grants: Grants) -> bool:
    column = wanted.column is None or (found.schema, found.name, wanted.column) in grants.columns
    return column and wanted.privilege in grants.known[found.granted_as]


def _told(given: Iterable[Grant], known: Collection[str]) -> str:
    return "; ".join(f"{what} to {whom}" for what, whom in _by_role(given, known))


def _by_role(given: Iterable[Grant], known: Collection[str]) -> Iterator[tuple[str, str]]:
    groups: dict[tuple[str | None, bool], list[Grant]] = {}
    for grant in given:
        groups.setdefault((grant.role, grant.grantable), []).append(grant)
    for (role, grantable), own in groups.items():
        yield ", ".join(phrased(own, known)), f"{_role(role)}{' with grant option' if grantable else ''}"


def _role(name: str | None) -> str:
    return "public" if name is None else quote_ident(name)


def _remedy(
    found: GrantedObject, wanted: Iterable[Grant], extra: Iterable[Grant], known: Collection[str]
) -> Iterator[str]:
    """Revoke what is too much; then grant what is missing, and what went along with it.

    A table's privilege takes those of its columns along, a grant option what was granted by it.
    """
    # A routine is a function, a procedure or an aggregate.
    on = f"{'routine' if found.kind == 'function' else found.granted_as} {found.quoted}"
    left = list(found.grants)
    lent: list[Grant] = []
    revoked: dict[tuple[str | None, bool, bool], list[Grant]] = {}
    for grant in extra:
        if grant not in left:
            continue  # it went along
        taken = _revocable(grant, left, found.owner)
        if taken not in left:
            lent.append(taken)
            left.append(taken)
        option = taken not in lent and any(w.implies(replace(taken, grantable=False)) for w in wanted)
        cascades = any(_passed_on(g, taken) for g in left)
        revoked.setdefault((taken.role, option, cascades), []).append(taken)
        left = _without(taken, left, option_only=option)
    if any(cascades for _, _, cascades in revoked):
        yield "-- Takes with it what they granted to others; what is declared of that is granted again."
    for what, whom in _by_role(lent, known):
        yield f"grant {what} on {on} to {whom};"
    for (role, option, cascades), own in revoked.items():
        what = f"{'grant option for ' if option else ''}{', '.join(phrased(own, known))}"
        yield f"revoke {what} on {on} from {_role(role)}{' cascade' if cascades else ''};"
    for what, whom in _by_role(_needed(wanted, left), known):
        yield f"grant {what} on {on} to {whom};"


def _needed(wanted: Iterable[Grant], left: Sequence[Grant]) -> list[Grant]:
    """What is wanted and not there, once where one implies the other."""
    needed: list[Grant] = []
    for grant in wanted:
        if not any(g.implies(grant) for g in (*left, *needed)):
            needed = [g for g in needed if not grant.implies(g)] + [grant]
    return needed


def _revocable(grant: Grant, left: Sequence[Grant], owner: str) -> Grant:
    """The owner's grant that takes this one along when it, or its option, is revoked: itself where the owner gave it.

    A cascade goes from a table's privilege to others of the table, from a column's to others of that column. Where a column's
    was granted by an option on the whole table, the grantor is lent one on the column first.
    """
    while grant.grantor != owner:
        above = (g for g in left if g.role == grant.grantor and g.grantable and _passed_on(grant, g))
        lent = Grant(role=grant.grantor, privilege=grant.privilege, column=grant.column, grantable=True, grantor=owner)
        grant = next(above, lent)
    return grant


def _passed_on(grant: Grant, option: Grant) -> bool:
    return (grant.grantor, grant.privilege, grant.column) == (option.role, option.privilege, option.column)


def _without(taken: Grant, left: Sequence[Grant], *, option_only: bool) -> list[Grant]:
    """What stays when a grant, or its option alone, is revoked with cascade."""
    anyhow = replace(taken, grantable=True)
    same = [g for g in left if g.grantor == taken.grantor and anyhow.implies(g)]
    kept = [g for g in left if g not in same]
    if option_only:
        kept += [replace(g, grantable=False) for g in same]
    for passed in [g for g in left if any(_passed_on(g, s) for s in same)]:
        if passed in kept:
            kept = _without(passed, kept, option_only=False)
    return kept
