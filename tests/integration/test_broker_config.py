"""og-broker-config against a real RabbitMQ: what it makes, what it sees, what it mends, whom it lets in."""

import http.server
import os
import stat
import sys
import threading
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from cluster import Cluster, logs_in  # noqa: E402
from proxy import Proxy  # noqa: E402
from services import api, free_port  # noqa: E402

ROLES = ("scheduler", "gateway", "worker", "producer", "operator")


@pytest.fixture
def cluster(tmp_path):
    c = Cluster(tmp_path / "root", f"bc-{uuid.uuid4().hex[:8]}")
    yield c
    try:
        api("DELETE", f"/api/vhosts/{c.name}")
    except urllib.error.HTTPError as e:
        assert e.code == 404, e


def definitions(cluster):
    """The vhost's, in an order of their own: the broker's changes."""
    found = api("GET", f"/api/definitions/{cluster.name}")
    return {k: sorted(map(str, v)) for k, v in found.items() if isinstance(v, list)}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_apply_makes_what_check_wants(cluster):
    out, _ = cluster.run("check", expect=1)
    assert out == f"missing    vhost {cluster.name}\n"
    out, err = cluster.run("apply")
    assert "10 exchanges" in out and "36 queues" in out and err == ""
    assert cluster.run("check") == ("", "")
    assert cluster.run("apply") == ("nothing to do\n", "")


def test_the_built_in_catalogue(cluster):
    (cluster.root / "catalogue.ini").unlink()
    out, _ = cluster.run("apply")
    assert "286 queues" in out
    assert cluster.run("check") == ("", "")


def test_the_table_on_the_broker(cluster):
    cluster.run("apply")
    queues = {q["name"]: q for q in api("GET", f"/api/definitions/{cluster.name}")["queues"]}
    assert queues["og.jobs.intake"]["arguments"] == {
        "x-queue-type": "quorum",
        "x-max-length": 10000,
        "x-max-length-bytes": 256 << 20,
        "x-overflow": "reject-publish",
        "x-delivery-limit": 100,
        "x-dead-letter-exchange": "og.dead",
        "x-dead-letter-routing-key": "dead",
    }
    for name in ("og.state", "og.state.later", "og.tier.smollm2-135m"):
        assert "x-max-length" not in queues[name]["arguments"], name
    assert queues["og.rpc"]["arguments"] == {"x-queue-type": "classic", "x-message-ttl": 30000, "x-max-length": 10000}
    assert all(q["durable"] for q in queues.values())


def test_secrets_are_files_of_their_owner_and_stay(cluster):
    out, err = cluster.run("apply")
    secrets = cluster.root / "secrets"
    first = {f.name: f.read_text() for f in secrets.iterdir()}
    assert set(first) == {"admin.credentials", "lease.key", *(f"{r}.credentials" for r in ROLES)}
    assert all(mode(f) == 0o600 for f in secrets.iterdir())
    assert len(bytes.fromhex(first["lease.key"])) == 32
    passwords = [cluster.credentials(r)[1] for r in ROLES]
    assert len(set(passwords)) == 5 and all(len(p) == 32 for p in passwords)
    assert not any(p in out + err for p in passwords)
    for role in ROLES:
        assert logs_in(cluster, *cluster.credentials(role)), role
    cluster.run("apply")
    assert {f.name: f.read_text() for f in secrets.iterdir()} == first


def test_users_have_no_tags_and_there_is_no_guest(cluster):
    cluster.run("apply")
    users = {u["name"]: u for u in api("GET", "/api/definitions")["users"]}
    assert "guest" not in users
    for name in ("scheduler", "gateway", "worker-local", "producer-local", "operator"):
        assert users[name]["tags"] == []


def test_check_sees_drift_and_apply_mends_what_can_be_mended(cluster):
    cluster.run("apply")
    v = cluster.name
    api("DELETE", f"/api/queues/{v}/og.wait.smollm2-135m.high.0")
    api("PUT", f"/api/permissions/{v}/worker-local", {"configure": ".*", "write": ".*", "read": ".*"})
    api("DELETE", f"/api/topic-permissions/{v}/producer-local")
    api("PUT", "/api/users/gateway", {"password": "another", "tags": "administrator"})
    api("PUT", f"/api/queues/{v}/og.tier.old", {"durable": True})
    api("POST", f"/api/bindings/{v}/e/og.replies/q/og.tier.old", {"routing_key": "#"})
    out, _ = cluster.run("check", expect=1)
    lines = out.splitlines()
    assert "missing    queue og.wait.smollm2-135m.high.0" in lines
    assert any(line.startswith("missing    binding og.wait smollm2-135m.high.0 queue") for line in lines)
    assert any(line.startswith('different  permissions of worker-local: configure is ".*"') for line in lines)
    assert "missing    topic permissions of producer-local og.replies" in lines
    assert "missing    topic permissions of producer-local og.control" in lines
    assert "different  user gateway: has tags, should have none" in lines
    assert "extra      queue og.tier.old" in lines
    assert "extra      binding og.replies # queue og.tier.old" in lines
    assert len(lines) == 8
    _, err = cluster.run("apply")
    assert "left as it is: extra queue og.tier.old" in err
    out, _ = cluster.run("check", expect=1)
    assert [line.split()[0] for line in out.splitlines()] == ["extra", "extra"]
    assert logs_in(cluster, *cluster.credentials("gateway"))


def test_what_cannot_be_changed_in_place_is_told_with_the_way_to_mend_it(cluster):
    cluster.run("apply")
    out, _ = cluster.run("--set", "scheduler.intake_max_jobs=5", "check", expect=1)
    assert "queue og.jobs.intake: x-max-length is 10000, should be 5 (cannot be changed in place: drain it" in out
    _, err = cluster.run("--set", "scheduler.intake_max_jobs=5", "apply", expect=1)
    assert "left as it is: different queue og.jobs.intake" in err
    assert cluster.run("check") == ("", "")


def test_an_upgrade_replaces_what_an_earlier_version_made(cluster):
    cluster.run("apply")
    v = cluster.name
    for name, arguments in (("og.dead", {"x-max-length": 7}), ("og.hold", {})):
        api("DELETE", f"/api/queues/{v}/{name}")
        api("PUT", f"/api/queues/{v}/{name}", {"durable": True, "arguments": {"x-queue-type": "quorum", **arguments}})
    api("POST", f"/api/bindings/{v}/e/og.dead/q/og.dead", {"routing_key": "dead"})
    api("POST", f"/api/bindings/{v}/e/og.later/q/og.hold", {"routing_key": "hold"})
    admin = cluster.connect(*cluster.credentials("admin")).channel()
    admin.confirm_delivery()
    admin.basic_publish("og.later", "hold", b"kept")
    leader = cluster.connect(*cluster.credentials("scheduler"))
    leader.channel().queue_declare("og.leader", exclusive=True)
    _, err = cluster.run("upgrade", expect=3)
    assert "a scheduler leads" in err
    leader.close()
    out, err = cluster.run("upgrade", expect=1)
    assert "replaced: queue og.dead" in out and "og.hold" not in out
    assert "different queue og.hold" in err, "what is not empty stays"
    assert admin.basic_get("og.hold", auto_ack=True)[2] == b"kept"
    out, err = cluster.run("upgrade")
    assert "replaced: queue og.hold" in out and err == ""
    assert cluster.run("check") == ("", ""), "nor is the binding of the earlier version there"


def test_a_catalogue_with_a_mistake(cluster):
    (cluster.root / "catalogue.ini").write_text("[tier X]\ncpu_cores = many\n")
    _, err = cluster.run("apply", expect=3)
    assert "catalogue.ini:2" in err


def test_another_clusters_things_are_not_touched(cluster, tmp_path):
    other = Cluster(tmp_path / "other", cluster.name + "-2")
    try:
        cluster.run("apply")
        for role in ("admin", *ROLES):
            other.secret(role, *cluster.credentials(role))
        before = definitions(cluster)
        other.run("apply")
        assert definitions(cluster) == before
        assert cluster.run("check") == ("", "")
        assert other.run("check") == ("", "")
    finally:
        api("DELETE", f"/api/vhosts/{other.name}")


# ---- what stands in the way ----


def test_without_an_administrator(cluster):
    (cluster.root / "secrets/admin.credentials").unlink()
    _, err = cluster.run("apply", expect=3)
    assert "this needs an administrator of the broker" in err and "admin.credentials" in err
    assert list((cluster.root / "secrets").iterdir()) == [], "secrets were made on a host that is no broker's"


def test_with_a_wrong_password(cluster):
    cluster.secret("admin", "admin", "wrong")
    _, err = cluster.run("check", expect=3)
    assert "refuses the user 'admin' of admin.credentials (401)" in err and "wrong" not in err


def test_with_a_user_who_is_no_administrator(cluster):
    cluster.run("apply")
    cluster.secret("admin", *cluster.credentials("worker"))
    _, err = cluster.run("check", expect=3)
    assert "tag administrator" in err


def test_with_secrets_that_others_can_read(cluster):
    (cluster.root / "secrets/admin.credentials").chmod(0o644)
    _, err = cluster.run("check", expect=3)
    assert "can be read by others" in err


def test_with_no_broker(cluster):
    cluster.write_config(f"http://127.0.0.1:{free_port()}")
    _, err = cluster.run("apply", expect=3)
    assert "management API of RabbitMQ (broker.management = http://127.0.0.1:" in err and "is not reached" in err


def test_with_a_broker_that_is_just_starting(cluster):
    """Its management port is open before anybody answers there."""
    host, port = os.environ["OG_TEST_MANAGEMENT"].removeprefix("http://").rsplit(":", 1)
    with Proxy((host, int(port))) as proxy:
        proxy.hang_up = 3
        cluster.write_config(f"http://127.0.0.1:{proxy.port}")
        cluster.run("apply")
        assert proxy.hang_up == 0


@pytest.fixture
def pretender():
    """Something that answers in RabbitMQ's place; `text` is what it says."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = server.text.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"rabbit_version": "3.9.27"}', "the broker is RabbitMQ 3.9.27, and 3.10 is the least"),
        ('{"rabbit_version": "2.8.1"}', "the broker is RabbitMQ 2.8.1, and 3.10 is the least"),
        ('{"rabbit_version": "later"}', "does not say which RabbitMQ it is"),
        ("[]", "does not say which RabbitMQ it is"),
        ("<html>", "does not answer in JSON"),
    ],
)
def test_with_something_else_than_rabbitmq_3_10(cluster, pretender, text, expected):
    pretender.text = text
    cluster.write_config(f"http://127.0.0.1:{pretender.server_port}")
    _, err = cluster.run("apply", expect=3)
    assert expected in err


def test_usage(cluster):
    out, _ = cluster.run("--help")
    for verb in ("apply", "check", "render", "invite", "accept", "revoke"):
        assert f"  {verb}" in out
        help_of_it, _ = cluster.run(verb, "--help")
        assert help_of_it.startswith(f"usage: og-broker-config {verb}")
    for wrong in ([], ["dance"], ["apply", "now"], ["invite"], ["render"], ["check", "--loud"], ["--loud"]):
        _, err = cluster.run(*wrong, expect=2)
        assert err.startswith("og-broker-config: ")
