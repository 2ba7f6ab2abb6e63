"""No secret leaves, in whatever encoding; and what is public stays readable."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from readiness.redaction import MASK, Redactor

SECRET = "s3cr3t/with@odd'chars\"\\and ü"


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.learn([SECRET])
    return made


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        SECRET.replace("'", "''"),
        repr(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_known_secrets_in_every_encoding(redactor: Redactor, form: str):
    assert MASK in redactor.text(f"before {form} after")
    assert form not in redactor.text(f"before {form} after")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://me:pw1@h/db", f"postgresql://me:{MASK}@h/db"),
        ("host=h password=pw1 user=me", f"host=h password={MASK} user=me"),
        ("host=h password='p w 1' user=me", f"host=h password={MASK} user=me"),
        ("CREATE ROLE x PASSWORD 'pw1' LOGIN", f"CREATE ROLE x PASSWORD '{MASK}' LOGIN"),
        ("x SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy y", f"x {MASK} y"),
        ("hash md5" + "0123456789abcdef" * 2, f"hash {MASK}"),
        ("cp %p --secret=abcdef /x", f"cp %p --secret={MASK} /x"),
        ("Authorization: Bearer abcdefgh.ijkl", f"Authorization: Bearer {MASK}"),
        ("key AKIAABCDEFGHIJKLMNOP", f"key {MASK}"),
        ('{"api_key": "abc"}', f'{{"api_key": {MASK}}}'),
    ],
)
def test_shapes_of_secrets(text: str, expected: str):
    assert Redactor().text(text) == expected


KEYS = (
    "password passwd passphrase pwd secret token apikey api_key api-key accesskey access_key access-key accountkey "
    "account_key account-key cipher-pass cipher_pass"
)
OTHERS = (
    "--the-password X|--secret-of-mine X|--token X|--pass X|identified by X|requirepass X|masterauth X|bearer X|basic X"
    "|pa\u017f\u017fword=X|aP\u0131_key=X"  # letters that only a pattern takes for ASCII's
)


@pytest.mark.parametrize("text", [*(f"{key} = X" for key in KEYS.split()), *OTHERS.split("|")])
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_every_word_of_a_shape_in_every_case(text: str, case: Callable[[str], str]):
    told = Redactor().text(f"of {case(text).replace('X', 'x1y2z3w4').replace('x', 'x1y2z3w4')} it")
    assert "1y2z3w4" not in told


@pytest.mark.parametrize(
    "text",
    [
        "auth.password_resets:password_resets_user_id_fkey",
        "create index concurrently on auth.password_resets (user_id);",
        "password authentication failed",
        "password_encryption is scram-sha-256",
        "the role has no password",
        "SQL says: select * from tokens where token_hash is null",
        "https://example.org/a:b@c",
    ],
)
def test_what_is_no_secret_stays(text: str):
    assert Redactor().text(text) == text


def test_a_password_that_is_public_anyway_garbles_nothing():
    redactor = Redactor()
    redactor.learn(["postgres"], public=["postgres", "app"])
    assert redactor.text("PostgreSQL as postgres") == "PostgreSQL as postgres"


def test_short_ones_are_left_alone():
    redactor = Redactor()
    redactor.learn(["abc", ""])
    assert redactor.text("abc") == "abc"


def test_values_keep_their_shape(redactor: Redactor):
    assert redactor.value({"a": [SECRET, 1], "b": (SECRET,)}) == {"a": [MASK, 1], "b": (MASK,)}
