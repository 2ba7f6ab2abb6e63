"""Who may come in, how, and as what: rules, passwords, settings and roles, on servers whose rules and settings are changed."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from psycopg import conninfo
from pydantic import SecretStr

import stage
from asking import ask, checks, found, remedies
from conftest import Database
from readiness import auditor_role
from readiness.embedded import Cluster
from readiness.facts import tls
from readiness.facts.hba import EVERYWHERE, ConnectionRules, Rule
from readiness.facts.passwords import PasswordKinds
from readiness.facts.roles import LoginSuperusers
from readiness.model import Examined, Reason, Unknown
from readiness.profile import Profile

# -- lines of pg_hba.conf, by themselves -----------------------------------------------------------------------


def line(text: str, number: int) -> Rule:
    """A line without spaces in its fields: kind databases users [address] method."""
    kind, databases, users, *address, method = text.split()
    where: tuple = ()
    if address == ["all"]:
        where = EVERYWHERE
    elif address:
        word = address[0]
        where = (word,) if word.isalpha() else (ipaddress.ip_network(word),)
    return Rule(
        place=f"pg_hba.conf:{number}",
        kind=kind,
        databases=tuple(databases.split(",")),
        users=tuple(users.split(",")),
        addresses=where,
        address="".join(address),
        method=method,
    )


def rules(*texts: str, listen: str = "*", **more) -> ConnectionRules:
    given = {"errors": {}, "changed": None} | more
    return ConnectionRules(rules=tuple(line(t, at) for at, t in enumerate(texts, 1)), listen=listen, **given)


def judged(check: str, *facts) -> set[int]:
    """The numbers of the lines that are findings."""
    answer = checks()[f"security/{check}"].ask(*facts)
    return {int(o.subject.partition(":")[2]) for o in answer if not o.ok}


@pytest.mark.parametrize(
    ("texts", "listen", "expected"),
    [
        (("host all all 10.0.0.0/8 scram-sha-256",), "*", {1}),
        (("hostssl all all 10.0.0.0/8 scram-sha-256",), "*", set()),
        (("hostnossl all all 10.0.0.0/8 scram-sha-256",), "*", {1}),
        (("hostnogssenc all all 10.0.0.0/8 scram-sha-256",), "*", {1}),
        (("hostgssenc all all 10.0.0.0/8 gss",), "*", set()),
        (("local all all trust", "host all all 127.0.0.1/32 md5", "host all all ::1/128 md5"), "*", set()),
        (("host all all samehost md5", "host all all samenet md5"), "*", {2}),
        (("host all all 10.0.0.0/8 reject",), "*", set()),
        # the first match decides
        (("hostnossl all all all reject", "host all all all scram-sha-256"), "*", set()),
        (("hostnossl all all 0.0.0.0/0 reject", "host all all all scram-sha-256"), "*", {2}),
        (
            (
                "hostnossl all all 0.0.0.0/0 reject",
                "hostnossl all all ::/0 reject",
                "host all all all scram-sha-256",
            ),
            "*",
            set(),
        ),
        (("host all all all scram-sha-256", "hostnossl all all all reject"), "*", {1}),
        # two halves are the whole
        (
            (
                "hostnossl all all 0.0.0.0/1 reject",
                "hostnossl all all 128.0.0.0/1 reject",
                "hostnossl all all ::/0 reject",
                "host all all all md5",
                "host all all samenet md5",
            ),
            "*",
            set(),
        ),
        (("hostnossl all all 10.0.0.0/9 reject", "host all all 10.0.0.0/8 md5"), "*", {2}),
        (
            (
                "hostnossl all all 10.0.0.0/9 reject",
                "hostnossl all a 10.128.0.0/9 reject",
                "host all all 10.0.0.0/8 md5",
            ),
            "*",
            {3},
        ),
        (("hostnossl all app all reject", "host all app all scram-sha-256"), "*", set()),
        (("hostnossl all app all reject", "host all app,web all scram-sha-256"), "*", {2}),
        (("hostnossl one all all reject", "host one,two all 10.1.0.0/16 md5"), "*", {2}),
        (("hostnossl all all all reject", "host replication all 10.0.0.0/8 md5"), "*", {2}),
        (("hostssl all all all reject", "host all all all md5"), "*", {2}),
        (("hostnossl all all 10.0.0.0/8 reject", "host all all 10.2.0.0/16 md5"), "*", set()),
        (("hostnossl all all all reject", "host all all samenet md5"), "*", set()),
        (("host all all db.example.com md5",), "*", {1}),
        # which leads to no client from elsewhere
        (("host all all localhost md5", "host all all Localhost md5"), "*", set()),
        # nobody from elsewhere reaches the port
        (("host all all all trust",), "localhost, 127.0.0.1, ::1", set()),
        (("host all all all trust",), "", set()),
        (("host all all all trust",), "localhost, 10.0.0.5", {1}),
    ],
)
def test_plaintext_rule(texts: tuple[str, ...], listen: str, expected: set[int]):
    texts = tuple(t.replace("db.example.com", "dbexample") for t in texts)
    assert judged("plaintext-rule", rules(*texts, listen=listen)) == expected


def test_weak_auth_rule():
    given = rules(
        "local all all trust",
        "host all all 127.0.0.1/32 trust",
        "hostssl all a 10.0.0.0/8 trust",
        "hostssl all b 10.0.0.0/8 password",
        "host all c 10.0.0.0/8 ident",
        "host all d 10.0.0.0/8 md5",
        "hostssl all e 10.0.0.0/8 cert",
        "host all c 10.1.0.0/16 trust",
    )
    assert judged("weak-auth-rule", given) == {3, 4, 5}, "the last one is never met"
    assert judged("weak-auth-rule", replace(given, listen="localhost")) == set()
    third = replace(given.rules[2], proved=True)
    proved = replace(given, rules=(*given.rules[:2], third, *given.rules[3:]))
    assert judged("weak-auth-rule", proved) == {4, 5}
    # Whoever has a ticket of any name is whom it says to be.
    assert judged("weak-auth-rule", rules("hostgssenc all all all trust", "hostgssenc all all all gss")) == {1}
    assert judged("weak-auth-rule", rules("hostnossl all all all reject", "hostgssenc all all all trust")) == set()
    assert judged("weak-auth-rule", rules("host all all localhost trust")) == set()


def test_local_trust_rule():
    given = rules(
        "local all postgres peer",
        "local all all trust",
        "host all all 127.0.0.1/32 scram-sha-256",
        "host all all ::1/128 trust",
        "host all all samehost trust",
        "host all all 10.0.0.0/8 trust",
        "host all all localhost trust",
    )
    assert judged("local-trust-rule", given) == {2, 4, 5, 7}


def test_md5_rule():
    assert judged("md5-rule", rules("local all all peer", "host all all all md5", "host a b all scram-sha-256")) == {2}


def test_world_open_rule():
    given = rules(
        "hostssl all all 10.0.0.0/8 cert",
        "hostssl all a all cert",
        "hostssl all b 0.0.0.0/0 cert",
        "hostssl all c ::/0 cert",
        "hostssl all d 128.0.0.0/1 cert",
        "hostssl all all all reject",
        "hostssl all all all cert",
        "local all all peer",
    )
    assert judged("world-open-rule", given) == {2, 3, 4, 5}


def test_replication_rule_open():
    given = rules(
        "host replication all 127.0.0.1/32 scram-sha-256",
        "hostssl replication standby 10.0.0.5/32 scram-sha-256",
        "hostssl replication all 10.0.0.0/8 scram-sha-256",
        "hostssl replication standby all scram-sha-256",
        "hostssl all all all scram-sha-256",
    )
    assert judged("replication-rule-open", given) == {3, 4}


def test_superuser_from_elsewhere():
    supers = LoginSuperusers({"postgres": ("postgres", ("postgres", "dba")), '"Second"': ("Second", ("Second",))})

    def reached(*texts: str) -> set[str]:
        answer = checks()["security/superuser-from-elsewhere"].ask(supers, rules(*texts))
        return {o.subject for o in answer if not o.ok}

    assert reached("local all all peer", "host all all 127.0.0.1/32 md5") == set()
    assert reached("hostssl all all all cert") == {"postgres", '"Second"'}
    assert reached("host all postgres all reject", "hostssl all all all cert") == {'"Second"'}
    assert reached("host all +dba all reject", "hostssl all all all cert") == {'"Second"'}
    assert reached("hostssl all app all cert") == set()
    assert reached("hostssl all +dba all cert") == {"postgres"}
    assert reached("hostssl all /^post all cert") == {"postgres"}
    assert reached("host all /^post all reject", "hostssl all all all cert") == {'"Second"'}
    assert reached("host all /^S.*d$ all reject", "hostssl all all all cert") == {"postgres"}
    both = {"postgres", '"Second"'}
    assert reached(r"host all /\mpost all reject", "hostssl all all all cert") == both, "PostgreSQL's own expression"
    # What the remedy says, with the way for administrators on the host.
    assert reached("host all postgres localhost cert", "host all all all reject") == set()
    assert reached("hostssl all all all cert", "host all postgres all reject") == {"postgres", '"Second"'}


def test_dead_rule():
    given = rules(
        "local all all peer",
        "host all all 10.0.0.0/8 scram-sha-256",
        "host all app 10.1.0.0/16 reject",
        "host replication app 10.1.0.0/16 md5",
        "hostssl all app 10.1.0.0/16 cert",
        "host all all all md5",
        "hostgssenc all app 10.1.0.0/16 gss",
        errors={"pg_hba.conf:9": 'invalid authentication method "md6"'},
    )
    assert judged("dead-rule", given) == {3, 5, 7, 9}
    plaintext = checks()["security/plaintext-rule"]
    with pytest.raises(Exception, match="keeps the rules that it had"):
        plaintext.ask(given)
    with pytest.raises(Exception, match="written after the server last loaded it"):
        plaintext.ask(replace(given, errors={}, changed=True))


def test_weak_password_hash():
    kept = PasswordKinds({"a": "scram-sha-256", "b": "md5", "c": "none", "d": "other"})
    answer = checks()["security/weak-password-hash"].ask(kept)
    assert {o.subject: o.ok for o in answer} == {"a": True, "b": False, "d": False}


# -- on servers ------------------------------------------------------------------------------------------------


@contextmanager
def loaded(cluster: Cluster, *, hba: tuple[str, ...] = (), **settings: str) -> Iterator[None]:
    """Lines before the others, and settings, for as long as the block lasts."""
    rules_file, settings_file = cluster.data / "pg_hba.conf", cluster.data / "postgresql.conf"
    kept = {path: path.read_text() for path in (rules_file, settings_file)}
    rules_file.write_text("\n".join(hba) + "\n" + kept[rules_file])
    cluster.configure(settings)
    stage.reload(cluster)
    try:
        yield
    finally:
        for path, text in kept.items():
            path.write_text(text)
        stage.reload(cluster)


@pytest.fixture
def role(database: Database) -> str:
    """A login role of this test's own."""
    name = f"{database.name}_svc"
    database.run(f"create role {name} login password 'of-a-test'")
    database.made_roles.append(name)
    return name


def services(**roles: str) -> Profile:
    return Profile.model_validate(
        {"name": "test", "services": {name: {"role": role, "url": None} for name, role in roles.items()}}
    )


def test_lines_as_the_server_reads_them(database: Database, debian_cluster: Cluster):
    broken = ("hostssl all all 10.0.0.0/8 md6",)
    lines = (
        'hostssl "all db" "A b",+pg_monitor 10.1.2.0 255.255.255.0 scram-sha-256',
        "host all nobody_there fe80::/10 reject",
    )
    with loaded(database.cluster, hba=lines):
        outcome = ask("security/plaintext-rule", database.dsn())
        assert isinstance(outcome, Examined)
        told = {str(o.evidence["line"]) for o in outcome.observations}
        assert "hostssl all db A b,+pg_monitor 10.1.2.0/24 scram-sha-256" in told
        assert "host all nobody_there fe80::/10 reject" in told
        without_tls = set() if database.cluster is debian_cluster else {"pg_hba.conf:1"}
        assert found(ask("security/dead-rule", database.dsn())) == without_tls
    if database.cluster is debian_cluster:
        shutil.copy(
            database.cluster.workshop.folder / "server.crt", authority := database.cluster.data / "authority.crt"
        )
        database.cluster.give(authority)
        proved = "hostssl all all 127.0.0.7/32 trust clientcert=verify-full"
        lines = (proved, proved.replace("0.7", "0.8").replace("full", "ca"))
        with loaded(database.cluster, hba=lines, ssl_ca_file="authority.crt"):
            trusted = found(ask("security/local-trust-rule", database.dsn()))
            assert trusted & {"pg_hba.conf:1", "pg_hba.conf:2"} == {"pg_hba.conf:2"}, "of any role's certificate"
    with loaded(database.cluster, hba=broken):
        assert found(ask("security/dead-rule", database.dsn())) == {"pg_hba.conf:1"}
        unsure = ask("security/plaintext-rule", database.dsn())
        assert isinstance(unsure, Unknown)
        assert unsure.reason is Reason.NOT_OBSERVABLE


def test_a_file_that_is_not_loaded_yet_settles_nothing(database: Database):
    with loaded(database.cluster):
        later = time.time() + 5  # the server tells the time of a file in whole seconds
        os.utime(database.cluster.data / "pg_hba.conf", (later, later))
        unsure = ask("security/weak-auth-rule", database.dsn())
        assert isinstance(unsure, Unknown)
        assert unsure.reason is Reason.STALE
        assert unsure.unlock == "select pg_reload_conf();"
    if database.cluster.runtime.major >= 16:
        with loaded(database.cluster):
            copied = database.cluster.data / "pg_hba.conf"
            kept = copied.stat().st_mtime
            time.sleep(1.1)
            copied.write_text(copied.read_text())
            os.utime(copied, (kept - 3600, kept - 3600))
            assert isinstance(ask("security/weak-auth-rule", database.dsn()), Unknown), "put there with an older time"
        included = database.cluster.data / "more_hba.conf"
        included.write_text("host all nobody_there 10.9.0.0/16 reject\n")
        database.cluster.give(included)
        with loaded(database.cluster, hba=("include more_hba.conf",)):
            assert found(ask("security/weak-auth-rule", database.dsn())) == set()
            later = time.time() + 5
            os.utime(included, (later, later))
            assert isinstance(ask("security/weak-auth-rule", database.dsn()), Unknown)
        included.unlink()
        folder = database.cluster.data / "more.d"
        folder.mkdir()
        namesake = folder / "pg_hba.conf"
        namesake.write_text("host all nobody_there 10.9.0.0/16 scram-sha-256\n")
        for path in (folder, namesake):
            database.cluster.give(path)
        with loaded(database.cluster, hba=("include more.d/pg_hba.conf",)):
            places = {o.subject for o in ask("security/md5-rule", database.dsn()).observations}  # type: ignore[union-attr]
            assert "more.d/pg_hba.conf:1" in places
        shutil.rmtree(folder)
    assert found(ask("security/weak-auth-rule", database.dsn())) == set()


def test_rules_and_password_kinds_need_the_second_tier(database: Database, role: str):
    for check in ("security/plaintext-rule", "security/weak-password-hash"):
        hidden = ask(check, database.bare_dsn())
        assert isinstance(hidden, Unknown)
        assert hidden.reason is Reason.NO_PERMISSION
        assert hidden.unlock
    md5 = "md5" + "0" * 32
    database.run(f"alter role {role} password '{md5}'")
    database.run("set client_min_messages = error;" + auditor_role.script(role=database.bare_role, tier=2))
    assert found(ask("security/plaintext-rule", database.bare_dsn())) == set()
    for dsn in (database.dsn(), database.bare_dsn()):
        assert role in found(ask("security/weak-password-hash", dsn))
    with loaded(database.cluster):
        later = time.time() + 5
        os.utime(database.cluster.data / "pg_hba.conf", (later, later))
        unsure = ask("security/plaintext-rule", database.bare_dsn())
        assert isinstance(unsure, Unknown)
        assert unsure.reason is Reason.STALE
    bare = ask("security/weak-password-hash", database.bare_dsn())
    assert "0" * 32 not in repr(bare)
    database.run(f"alter role {role} password 'again'")
    assert role not in found(ask("security/weak-password-hash", database.bare_dsn()))
    # a function of somebody else's is not believed
    database.run(f"alter role {role} superuser; alter function readiness.role_password_kinds() owner to {role}")
    database.run(f"alter role {role} nosuperuser")
    assert isinstance(ask("security/weak-password-hash", database.bare_dsn()), Unknown)
    database.run("drop schema readiness cascade")
    with database.cluster.connect() as admin:  # what stands in the shared catalogs goes with the role
        admin.execute(f"revoke pg_monitor from {database.bare_role}")
    database.run(f"drop owned by {database.bare_role}; drop owned by {role}")


def test_what_the_auditor_gets_is_no_finding(embedded_database: Database):
    embedded_database.run("set client_min_messages = error;" + auditor_role.script(role=embedded_database.bare_role))
    for check in ("definer-without-search-path", "definer-executable-by-public", "public-may-create"):
        assert found(ask(f"security/{check}", embedded_database.dsn())) == set()
    embedded_database.run(f"drop schema readiness cascade; drop owned by {embedded_database.bare_role}")
    embedded_database.run(f"revoke pg_monitor, pg_read_all_data from {embedded_database.bare_role}")


def test_plaintext_admitted(database: Database, role: str):
    """Debian's server has TLS and lets plaintext in all the same, until its lines are hostssl; a server without can't."""
    declared = services(app=role)
    own = "postgres"
    assert found(ask("security/plaintext-admitted", database.dsn(), profile=declared)) == {own, role}
    with loaded(database.cluster, hba=(f"hostnossl all {role} all reject",)):
        assert found(ask("security/plaintext-admitted", database.dsn(), profile=declared)) == {own}
    with loaded(database.cluster, hba=(f"host all {role} all trust",)):
        trusted = ask("security/plaintext-admitted", database.dsn(), profile=declared)
        assert isinstance(trusted, Examined)
        reply = {o.subject: str(o.evidence["reply"]) for o in trusted.findings}
        assert reply[role] == "let in without TLS and without a password"
        assert reply[own].endswith("in the clear")


def test_plaintext_is_refused_once_every_line_is_hostssl(debian_database: Database):
    with loaded(debian_database.cluster, hba=("hostnossl all all all reject",)):
        dsn = debian_database.dsn(sslmode="require")
        assert found(ask("security/plaintext-admitted", dsn)) == set()
        assert found(ask("security/plaintext-rule", dsn)) == set()


def test_plaintext_is_tried_at_every_address(
    debian_database: Database, embedded_database: Database, monkeypatch: pytest.MonkeyPatch
):
    """The address that the audit comes by takes TLS alone; another of the same connection string, or a service's, doesn't."""
    check, here, other = "security/plaintext-admitted", debian_database.cluster.port, embedded_database.cluster.port
    parts = {k: v for k, v in conninfo.conninfo_to_dict(debian_database.dsn()).items() if k != "hostaddr"}
    monkeypatch.setattr("readiness.facts.tls.CONNECT_SECONDS", 1)

    def by(*ports: int) -> str:
        hosts = ",".join(["127.0.0.1"] * len(ports))
        return conninfo.make_conninfo(**{**parts, "host": hosts, "port": ",".join(map(str, ports))})

    with loaded(debian_database.cluster, hba=("hostnossl all all all reject",)):
        assert found(ask(check, by(here))) == set()
        with socket.socket() as nobody, socket.socket() as mute:
            nobody.bind(("127.0.0.1", 0))
            assert found(ask(check, by(here, nobody.getsockname()[1]))) == set(), "nobody listens there"
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            began = time.monotonic()
            unseen = ask(check, by(here, mute.getsockname()[1]), profile=services(app=debian_database.bare_role))
            assert time.monotonic() - began < 4, "it is waited for once, not for each role"
            assert isinstance(unseen, Unknown)
            assert unseen.reason is Reason.UNREACHABLE
            assert {u.subject for u in unseen.unseen} == {"postgres", debian_database.bare_role}
        outcome = ask(check, by(here, other))
        assert found(outcome) == {"postgres"}
        assert isinstance(outcome, Examined)
        assert outcome.findings[0].evidence["address"] == f"127.0.0.1:{other}"

        app = services(app="postgres").services["app"].model_copy(update={"dsn": SecretStr(embedded_database.dsn())})
        declared = Profile(name="test", services={"app": app})
        assert found(ask(check, by(here), profile=declared)) == set(), "from one process of a host to another"
        monkeypatch.setattr("readiness.facts.tls._is_loopback", lambda _: False)
        assert found(ask(check, by(here), profile=declared)) == {"postgres"}


def test_a_name_has_all_its_addresses(monkeypatch: pytest.MonkeyPatch):
    def resolved(_host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", ("2001:db8::1", port, 0, 0)), (0, 0, 0, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    ways = tls._further({"host": "db.example,/run/postgresql", "port": "5433"}, {"dbname": "app"})
    assert [way.reach for way in ways] == [("2001:db8::1", 5433), ("192.0.2.1", 5433)]
    assert [str(way) for way in ways] == ["db.example (2001:db8::1):5433", "db.example (192.0.2.1):5433"]
    named = tls._further({"host": "db.example", "hostaddr": "192.0.2.7"}, {"dbname": "app"})
    assert [way.reach for way in named] == [("192.0.2.7", 5432)], "an address that is given is not asked for"


def test_a_line_for_the_servers_own_host_is_told_from_others(debian_database: Database, embedded_database: Database):
    """The audit comes by loopback, where plaintext is let in; what elsewhere is, the lines say, and who may read them."""
    check, cluster = "security/plaintext-admitted", debian_database.cluster
    elsewhere = "hostssl all all 10.0.0.0/8 scram-sha-256"
    with loaded(cluster, hba=(elsewhere,)):
        assert found(ask(check, debian_database.dsn())) == {"postgres"}, "nobody from elsewhere reaches its port anyway"
    kept = (cluster.data / "postgresql.conf").read_text()
    cluster.configure({"listen_addresses": "127.0.0.1,192.0.2.1"})  # an address that is nobody's: it goes on without
    try:
        cluster.restart()
        with loaded(cluster, hba=(elsewhere,)):
            outcome = ask(check, debian_database.dsn())
            assert found(outcome) == set()
            assert isinstance(outcome, Examined)
            assert outcome.observations[0].evidence["from_this_host_alone"] is True
            parts = {k: v for k, v in conninfo.conninfo_to_dict(debian_database.dsn()).items() if k != "hostaddr"}
            ports = f"{cluster.port},{embedded_database.cluster.port}"
            both = conninfo.make_conninfo(**{**parts, "host": "127.0.0.1,127.0.0.1", "port": ports})
            assert found(ask(check, both)) == {"postgres"}, "this server's lines excuse no other one"
            unseen = ask(check, debian_database.bare_dsn())
            assert isinstance(unseen, Unknown), "who can't read the lines can't tell"
            assert unseen.reason is Reason.NOT_OBSERVABLE
        with loaded(cluster, hba=(elsewhere, "host all postgres 192.168.0.0/16 scram-sha-256")):
            assert found(ask(check, debian_database.dsn())) == {"postgres"}, "one stray host line"
            assert len(found(ask("security/plaintext-rule", debian_database.dsn()))) == 1
        with loaded(cluster, hba=(elsewhere, "host all another 192.168.0.0/16 scram-sha-256")):
            assert found(ask(check, debian_database.dsn())) == set(), "of another role"
        # A superuser has every role's rights, and is a member of those alone that it was given.
        with loaded(cluster, hba=(elsewhere, "host all +pg_monitor 192.168.0.0/16 scram-sha-256")):
            assert found(ask(check, debian_database.dsn())) == set()
        turned_away = ("hostnossl all +pg_monitor all reject", "host all all 192.168.0.0/16 scram-sha-256")
        with loaded(cluster, hba=("host all all 127.0.0.1/32 scram-sha-256", elsewhere, *turned_away)):
            assert found(ask(check, debian_database.dsn())) == {"postgres"}
    finally:
        (cluster.data / "postgresql.conf").write_text(kept)
        cluster.restart()


def test_weak_tls_setting(database: Database, debian_cluster: Cluster):
    outcome = ask("security/weak-tls-setting", database.dsn())
    assert found(outcome) == (set() if database.cluster is debian_cluster else {"ssl"}), "the embedded one has no TLS"
    assert found(ask("security/weak-tls-setting", database.bare_dsn())) == found(outcome)
    if database.cluster is debian_cluster:
        with loaded(database.cluster, ssl_ciphers="ALL:!EXP", ssl_min_protocol_version="TLSv1.1"):
            weak = ask("security/weak-tls-setting", database.dsn())
            assert found(weak) == {"ssl_ciphers", "ssl_min_protocol_version"}
            _take("security/weak-tls-setting", database, remedies(weak), {"ssl_ciphers", "ssl_min_protocol_version"})


def _take(check: str, database: Database, statements: list[str], names: set[str]) -> None:
    """Take remedies that change the server, see that the findings are gone, and put back what was."""
    try:
        for statement in statements:
            database.run(statement)
        assert stage.eventually(lambda: not found(ask(check, database.dsn())) & names, 5)
    finally:
        for name in names:
            database.run(f"alter system reset {name}")
        stage.reload(database.cluster)


@pytest.mark.parametrize(
    ("ciphers", "ok"),
    [
        ("HIGH:MEDIUM:+3DES:!aNULL", True),
        ("ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256", True),
        ("HIGH:!aNULL:!MD5:!RC4", True),
        ("HIGH", False),
        ("ALL:!aNULL", False),
        ("HIGH:!aNULL:RC4", False),
        ("HIGH:MEDIUM:eNULL", False),
        ("HIGH:!aNULL:ECDHE-RSA-NULL-SHA", False),
        ("ECDHE-ECDSA-NULL-SHA:HIGH:!aNULL", False),
        ("HIGH:!aNULL:!ECDHE-RSA-NULL-SHA:-ECDHE-ECDSA-NULL-SHA", True),
    ],
)
def test_cipher_lists(debian_database: Database, ciphers: str, ok: bool):
    with loaded(debian_database.cluster, ssl_ciphers=ciphers):
        assert ("ssl_ciphers" in found(ask("security/weak-tls-setting", debian_database.dsn()))) is not ok


def test_connection_logging_off(database: Database):
    check = "security/connection-logging-off"
    names = {"log_connections", "log_disconnections", "log_line_prefix"}
    outcome = ask(check, database.dsn())
    assert found(outcome) == names
    assert found(ask(check, database.bare_dsn())) == names
    with loaded(database.cluster, log_connections="on", log_disconnections="on", log_line_prefix="%m %u@%d %h "):
        # sessions of ours that are open already keep log_connections; a new one asks
        assert found(ask(check, database.dsn())) == set()
        for prefix, ok in (("%m %-12u %5d ", True), ("%m %%u %%d ", False), ("%m ", False)):
            with loaded(database.cluster, log_line_prefix=prefix):
                assert ("log_line_prefix" not in found(ask(check, database.dsn()))) is ok, prefix
        with loaded(database.cluster, log_line_prefix="%m ", log_destination="csvlog"):
            assert found(ask(check, database.dsn())) == {"log_line_prefix"}, (
                "no collector runs: it is written to stderr"
            )
        with loaded(database.cluster, log_min_messages="fatal"):  # which those lines are below
            assert found(ask(check, database.dsn())) >= names
        if database.cluster.runtime.major >= 18:  # a list, kept as it was typed
            for value, off in {
                "false": True,
                "NO": True,
                "receipt": True,
                "Receipt, Authorization": False,
                "TRUE": False,
            }.items():
                with loaded(database.cluster, log_connections=value):
                    assert ("log_connections" in found(ask(check, database.dsn()))) is off, value
        with database.connect() as admin:
            admin.execute(f"alter database {database.name} set log_error_verbosity = terse")
        assert isinstance(ask(check, database.dsn()), Unknown), "the database's own setting covers the server's"
    database.run(f"alter database {database.name} reset log_error_verbosity")
    _take(check, database, remedies(outcome), names)


def test_dangerous_setting(database: Database, role: str):
    check = "security/dangerous-setting"
    assert found(ask(check, database.dsn())) == set(), "our own session has row_security off, and that is not meant"
    with loaded(database.cluster, zero_damaged_pages="on", row_security="off"):
        outcome = ask(check, database.dsn())
        assert found(outcome) == {"zero_damaged_pages", "row_security"}
        assert found(ask(check, database.bare_dsn())) == found(outcome)
    database.run(
        f"alter role {role} set row_security = off; alter role {role} in database {database.name} set work_mem = 99"
    )
    of_role = ask(check, database.dsn())
    assert found(of_role) == {f"row_security of role {role}"}
    for remedy in remedies(of_role):
        database.run(remedy)
    assert found(ask(check, database.dsn())) == set()
    database.run(f"alter database {database.name} set row_security = off")
    covered = ask(check, database.dsn())
    assert found(covered) == {f"row_security of database {database.name}"}
    assert isinstance(covered, Examined)
    assert [u.subject for u in covered.unseen] == ["row_security"]


def test_a_user_map_that_everybody_matches(database: Database):
    check = "security/catch-all-user-map"
    rules = database.cluster.data / "pg_ident.conf"
    kept = rules.read_text()
    rules.write_text(
        kept + "certs /^(.*)$ \\1\ncerts /^(.*)@example[.]com$ app\ncerts alice app\ncerts /.* app\npeers /^ postgres\n"
    )
    first = len(kept.splitlines()) + 1
    try:
        outcome = ask(check, database.dsn())
        assert found(outcome) == {f"pg_ident.conf:{first + 3}", f"pg_ident.conf:{first + 4}"}
        assert isinstance(outcome, Examined)
        assert [o.evidence["may_become_superuser"] for o in outcome.findings] == [False, True]
        as_bare = ask(check, database.bare_dsn())
        assert isinstance(as_bare, Unknown)
    finally:
        rules.write_text(kept)


def test_weak_password_setting(database: Database, role: str):
    check = "security/weak-password-setting"
    assert found(ask(check, database.dsn())) == set()
    with loaded(database.cluster, password_encryption="md5"):
        assert found(ask(check, database.dsn())) == {"password_encryption"}
        assert found(ask(check, database.bare_dsn())) == {"password_encryption"}
    database.run(f"alter role {role} set password_encryption = 'SCRAM-SHA-256'")
    assert found(ask(check, database.dsn())) == set()
    database.run(f"alter role {role} reset password_encryption")
    database.run(f"alter role {role} in database {database.name} set password_encryption = md5")
    outcome = ask(check, database.dsn())
    assert found(outcome) == {f"password_encryption of role {role} in database {database.name}"}
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask(check, database.dsn())) == set()


def test_listening_everywhere_and_pending_restart(database: Database):
    assert found(ask("security/listening-everywhere", database.dsn())) == set()
    assert found(ask("security/pending-restart", database.dsn())) == set()
    assert isinstance(ask("security/pending-restart", database.bare_dsn()), Unknown), "some settings are hidden from it"
    with loaded(database.cluster, listen_addresses="*"):
        assert found(ask("security/pending-restart", database.dsn())) == {"listen_addresses"}
        assert found(ask("security/pending-restart", database.bare_dsn())) == {"listen_addresses"}
        assert found(ask("security/listening-everywhere", database.dsn())) == set(), "what is in force counts"


def test_unencrypted_session(database: Database, debian_cluster: Cluster):
    """From the loopback address nothing is said; who may not see other sessions doesn't know."""
    with database.connect():
        assert found(ask("security/unencrypted-session", database.dsn())) == set()
    assert isinstance(ask("security/unencrypted-session", database.bare_dsn()), Unknown)


def test_extra_superuser(database: Database, role: str):
    assert role not in found(ask("security/extra-superuser", database.dsn()))
    database.run(f"alter role {role} superuser")
    outcome = ask("security/extra-superuser", database.dsn())
    assert role in found(outcome)
    assert "postgres" not in found(outcome)
    assert found(ask("security/extra-superuser", database.bare_dsn())) == found(outcome)
    database.run(next(r for r in remedies(outcome) if role in r))
    assert role not in found(ask("security/extra-superuser", database.dsn()))


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("alter role {} bypassrls", "alter role {} nobypassrls"),
        ("alter role {} createrole replication", "alter role {} nocreaterole noreplication"),
        ("grant pg_execute_server_program to {}", "revoke pg_execute_server_program from {}"),
    ],
)
def test_login_role_powers(embedded_database: Database, given: str, taken: str):
    check, role = "security/login-role-powers", embedded_database.bare_role
    assert role not in found(ask(check, embedded_database.dsn()))
    embedded_database.run(given.format(role))
    assert role in found(ask(check, embedded_database.dsn()))
    assert role in found(ask(check, embedded_database.bare_dsn()))
    embedded_database.run(taken.format(role))
    assert role not in found(ask(check, embedded_database.dsn()))


def test_row_security_not_forced(database: Database, role: str):
    check = "security/row-security-not-forced"
    database.run(
        "create table t (id int); create table of_nobody (id int); create table no_policy (id int);"
        "create policy p on t using (true); create policy p on of_nobody using (true);"
        "alter table t enable row level security; alter table of_nobody enable row level security;"
        "alter table no_policy enable row level security;"
        f"alter table t owner to {role}; alter table of_nobody owner to pg_monitor; alter table no_policy owner to {role}"
    )
    outcome = ask(check, database.dsn())
    assert found(outcome) == {"public.t"}
    assert found(ask(check, database.bare_dsn())) == {"public.t"}
    database.run(f"grant pg_monitor to {role}")
    assert found(ask(check, database.dsn())) == {"public.t", "public.of_nobody"}, "a member has the owner's rights"
    for remedy in remedies(ask(check, database.dsn())):
        database.run(remedy)
    assert found(ask(check, database.dsn())) == set()
    database.run(f"drop table t, no_policy; revoke pg_monitor from {role}")


def test_database_open_to_public(database: Database):
    check = "security/database-open-to-public"
    outcome = ask(check, database.dsn())
    assert found(outcome) == {database.name}
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask(check, database.dsn())) == set()
    database.run(f"grant temporary on database {database.name} to public")
    assert found(ask(check, database.dsn())) == {database.name}


def test_unsupported_version(database: Database, monkeypatch: pytest.MonkeyPatch):
    check = checks()["security/unsupported-version"]
    with database.connect() as connection:
        major = connection.info.server_version // 10000
    dates = check.ask.__globals__["END_OF_LIFE"]
    outcome = ask("security/unsupported-version", database.dsn())
    assert isinstance(outcome, Examined)
    (seen,) = outcome.observations
    assert seen.evidence["support_ends"] == dates[major].isoformat()
    assert seen.ok is (int(str(seen.evidence["days_left"])) > 0)
    assert found(ask("security/unsupported-version", database.dsn(), parameters={"days_before": 100_000}))
    monkeypatch.delitem(dates, major)
    assert isinstance(ask("security/unsupported-version", database.dsn()), Unknown)


def test_a_constant_condition_that_is_not_computed_is_no_pass(embedded_database: Database):
    embedded_database.run("create table t (id int); alter table t enable row level security")
    for n, condition in enumerate(
        ("1 + 1 = 2", "id = 5 or 1 in (1, 2)", "not (greatest(1, 2) = 1)", "lower('A') = 'a'", "id = 5 and 1 + 1 = 2")
    ):
        embedded_database.run(f"create policy p{n} on t for update using ({condition})")
    for dsn in (embedded_database.dsn(), embedded_database.bare_dsn()):
        outcome = ask("security/policy-always-true", dsn)
        assert isinstance(outcome, Unknown)
        assert outcome.reason is Reason.NOT_OBSERVABLE
        assert {u.subject for u in outcome.unseen} == {f"public.t:p{n}" for n in range(4)}
