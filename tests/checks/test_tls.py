"""What TLS a server takes, tried by handshakes on a server whose floor and ciphers are changed."""

from __future__ import annotations

import pytest
from test_security import loaded

from asking import ask, found
from conftest import Database
from readiness.embedded import Cluster
from readiness.model import Examined, Outcome, Reason, Unknown

CHECK = "security/weak-tls-accepted"


def names(outcome: Outcome) -> set[str]:
    return {subject.partition(" ")[2] for subject in found(outcome)}


def test_a_server_as_it_is_installed(debian_database: Database):
    outcome = ask(CHECK, debian_database.dsn())
    assert isinstance(outcome, Examined), "OpenSSL's level 0 speaks TLS 1.0 here, else this test proves nothing"
    assert found(outcome) == set()
    replies = {o.subject.partition(" ")[2]: str(o.evidence.get("reply")) for o in outcome.observations}
    assert replies["TLSv1"] == replies["TLSv1.1"] == "refused: tlsv1 alert protocol version"
    assert found(ask(CHECK, debian_database.bare_dsn())) == set()


def test_old_versions_and_worthless_ciphers_are_seen_in_use(debian_database: Database, debian_cluster: Cluster):
    """Debian's OpenSSL refuses TLS 1.0 unless its level is lowered too: the setting alone opens nothing."""
    with loaded(debian_cluster, ssl_min_protocol_version="TLSv1"):
        assert found(ask("security/weak-tls-setting", debian_database.dsn())) == {"ssl_min_protocol_version"}
        closed = ask(CHECK, debian_database.dsn())
        assert found(closed) == set()
    with loaded(debian_cluster, ssl_min_protocol_version="TLSv1", ssl_ciphers="HIGH:!aNULL:@SECLEVEL=0"):
        assert names(ask(CHECK, debian_database.dsn())) == {"TLSv1", "TLSv1.1"}
    with loaded(debian_cluster, ssl_ciphers="HIGH:aNULL:eNULL:@SECLEVEL=0"):
        assert names(ask(CHECK, debian_database.dsn())) == {"anonymous ciphers", "ciphers that don't encrypt"}


def test_what_our_own_openssl_cannot_speak_is_unknown(debian_database: Database, monkeypatch: pytest.MonkeyPatch):
    """An OpenSSL without the ciphers of TLS 1.0, as some distributions build it."""
    monkeypatch.setattr("readiness.facts.tls._WHATEVER_WE_CAN", "AESGCM")
    outcome = ask(CHECK, debian_database.dsn())
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.UNSUPPORTED
    assert {u.subject.partition(" ")[2] for u in outcome.unseen} == {"TLSv1", "TLSv1.1"}


def test_without_tls_nothing_is_tried(embedded_database: Database):
    outcome = ask(CHECK, embedded_database.dsn())
    assert isinstance(outcome, Unknown)
    assert outcome.reason is Reason.NOT_OBSERVABLE
