"""What people do with accounts and projects of their own: the routes that make, rename and delete them, before and after."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

from psycopg import errors

from readiness.demo.routes import Answer, Context, Parameters, Refusal, Route
from readiness.demo.routes import _key as key
from readiness.demo.routes import _number as number
from readiness.demo.routes import _wanted as wanted

_NO_PASSWORD = "!"  # noqa: S105  the hash of none: they sign in by mail


def register_before(context: Context, parameters: Parameters) -> Answer:
    """Into the first table of users: what looks into the second one doesn't find them."""
    with context.transaction() as connection:
        try:
            user = connection.execute(
                "insert into public.users (email, username, password_hash) values (%s, %s, %s) returning id",
                [wanted(parameters, "email"), wanted(parameters, "username"), _NO_PASSWORD],
            ).fetchone()
        except errors.UniqueViolation:
            raise Refusal(409, "there is such a user") from None
    return 201, {"user": user and user["id"]}


def leave_before(context: Context, parameters: Parameters) -> Answer:
    with context.transaction() as connection:
        connection.execute("delete from public.users where id = %s", [number(parameters, "user")])
    return 200, {}


def register_after(context: Context, parameters: Parameters) -> Answer:
    with context.transaction() as connection:
        try:
            user = connection.execute(
                "insert into auth.users (email, username, password_hash) values (%s, %s, %s) returning id",
                [wanted(parameters, "email"), wanted(parameters, "username"), _NO_PASSWORD],
            ).fetchone()
        except errors.UniqueViolation:
            raise Refusal(409, "there is such a user") from None
    return 201, {"user": user and user["id"]}


def leave_after(context: Context, parameters: Parameters) -> Answer:
    """What is a user's goes with them: the foreign keys cascade."""
    with context.transaction() as connection:
        connection.execute("delete from auth.users where id = %s", [key(parameters, "user")])
    return 200, {}


def _slug(name: str) -> str:
    return f"{re.sub('[^a-z0-9]+', '-', name.lower())}-{secrets.token_hex(4)}"


def add_project_before(context: Context, parameters: Parameters) -> Answer:
    name = wanted(parameters, "name")
    with context.transaction() as connection:
        project = connection.execute(
            "insert into public.projects (user_id, name, slug) values (%s, %s, %s) returning id",
            [number(parameters, "user"), name, _slug(name)],
        ).fetchone()
    return 201, {"project": project and project["id"]}


def rename_project_before(context: Context, parameters: Parameters) -> Answer:
    with context.transaction() as connection:
        connection.execute(
            "update public.projects set name = %s where id = %s",
            [wanted(parameters, "name"), number(parameters, "project")],
        )
    return 200, {}


def delete_project_before(context: Context, parameters: Parameters) -> Answer:
    """Nothing cascades: a project that has a task can't be deleted."""
    with context.transaction() as connection:
        connection.execute("delete from public.projects where id = %s", [number(parameters, "project")])
    return 200, {}


def add_project_after(context: Context, parameters: Parameters) -> Answer:
    user, name = key(parameters, "user"), wanted(parameters, "name")
    with context.transaction(user) as connection:
        project = connection.execute(
            "insert into projects.projects (user_id, name, slug) values (%s, %s, %s) returning id",
            [user, name, _slug(name)],
        ).fetchone()
    return 201, {"project": project and project["id"]}


def rename_project_after(context: Context, parameters: Parameters) -> Answer:
    with context.transaction(key(parameters, "user")) as connection:
        renamed = connection.execute(
            "update projects.projects set name = %s, updated_at = now() where id = %s and deleted_at is null returning id",
            [wanted(parameters, "name"), key(parameters, "project")],
        ).fetchone()
    if renamed is None:
        raise Refusal(404, "no such project")
    return 200, {}


def delete_project_after(context: Context, parameters: Parameters) -> Answer:
    """Its row stays, marked, until the retention period is over."""
    with context.transaction(key(parameters, "user")) as connection:
        deleted = connection.execute(
            "update projects.projects set deleted_at = now() where id = %s and deleted_at is null returning id",
            [key(parameters, "project")],
        ).fetchone()
    if deleted is None:
        raise Refusal(404, "no such project")
    return 200, {}


# (service, state) -> routes beside those that `routes.ROUTES` has.
PEOPLE: Mapping[tuple[str, str], Mapping[str, Route]] = {
    ("auth", "before"): {"POST /register": register_before, "DELETE /account": leave_before},
    ("auth", "after"): {"POST /register": register_after, "DELETE /account": leave_after},
    ("project", "before"): {
        "POST /projects": add_project_before,
        "PUT /project": rename_project_before,
        "DELETE /project": delete_project_before,
    },
    ("project", "after"): {
        "POST /projects": add_project_after,
        "PUT /project": rename_project_after,
        "DELETE /project": delete_project_after,
    },
}
