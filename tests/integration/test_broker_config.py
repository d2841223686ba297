"""og-broker-config against a real RabbitMQ: what it makes, what it sees, what it mends, whom it lets in."""

import http.server
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pika
import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from cluster import Cluster, logs_in  # noqa: E402
from proxy import Proxy  # noqa: E402
from services import RABBIT_BIN, Rabbit, Redis, api, free_port, wait_for  # noqa: E402

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


# ---- nodes on other hosts ----


def invite(cluster, node):
    out, _ = cluster.run("invite", node, "--endpoints", "broker.example:5672")
    assert out.startswith(f"og://broker.example:5672/{cluster.name}?worker=worker-{node.lower()}:")
    assert out.count("\n") == 1
    return out.strip()


def test_a_node_joins(cluster, tmp_path):
    cluster.run("apply")
    line = invite(cluster, "NodeB")
    there = Cluster(tmp_path / "there", "somewhere-else")
    (there.root / "config.ini").write_text("# my own\n[node]\nname = NodeB ; it is\n\n[broker]\nheartbeat = 7s\n")
    out, _ = there.run("accept", line)
    assert out == f"joined {cluster.name} at broker.example:5672\n"
    assert (there.root / "config.ini").read_text() == (
        "# my own\n[node]\nname = NodeB ; it is\n\n"
        "[broker]\nheartbeat = 7s\nendpoints = broker.example:5672\ntls = no\n\n"
        f"[cluster]\nid = {cluster.name}\n"
    )
    for role in ("worker", "producer"):
        assert mode(there.root / "secrets" / f"{role}.credentials") == 0o600
        user, password = there.credentials(role)
        assert user == f"{role}-nodeb"
        assert logs_in(cluster, user, password)
    assert cluster.run("check") == ("", "")
    # The same line again changes nothing.
    before = (there.root / "config.ini").read_text()
    there.run("accept", line)
    assert (there.root / "config.ini").read_text() == before


def test_an_invited_node_gets_the_permissions_of_this_version(cluster):
    cluster.run("apply")
    invite(cluster, "nodeb")
    path = f"/api/permissions/{cluster.name}/worker-nodeb"
    right = api("GET", path)
    api("PUT", path, {"configure": ".*", "write": ".*", "read": ".*"})
    cluster.run("check", expect=1)
    cluster.run("apply")
    assert api("GET", path) == right
    assert cluster.run("check") == ("", "")


def test_a_second_invitation_voids_the_first(cluster):
    cluster.run("apply")
    first, second = invite(cluster, "nodeb"), invite(cluster, "nodeb")
    assert first != second
    _, err = cluster.run("invite", "nodeb", "--endpoints", "x:1")
    assert "was invited before" in err
    password = first.split("worker=worker-nodeb:")[1].split("&")[0]
    assert not logs_in(cluster, "worker-nodeb", password)


def test_a_revoked_node_is_out_at_once(cluster, tmp_path):
    cluster.run("apply")
    there = Cluster(tmp_path / "there", "x")
    there.run("accept", invite(cluster, "nodeb"))
    open_connection = cluster.connect(*there.credentials("worker"))
    cluster.run("revoke", "nodeb")
    end = time.monotonic() + 10
    with pytest.raises(pika.exceptions.AMQPError):
        while time.monotonic() < end:
            open_connection.process_data_events(0.1)
    for role in ("worker", "producer"):
        assert not logs_in(cluster, *there.credentials(role))
    assert cluster.run("check") == ("", "")
    _, err = cluster.run("revoke", "nodeb", expect=3)
    assert "no node 'nodeb' was invited" in err


def test_names_that_cannot_be(cluster):
    cluster.run("apply")
    for name in ("a b", "ä", "local", "Local", "a_b", "x" * 70, ""):
        cluster.run("invite", name, "--endpoints", "h:1", expect=3)
    assert {u["name"] for u in api("GET", "/api/users")}.isdisjoint({"worker-a b", "worker-a_b"})


def test_an_invitation_to_a_cluster_that_is_not_there(cluster):
    _, err = cluster.run("invite", "nodeb", "--endpoints", "h:1", expect=3)
    assert "run og-broker-config apply" in err


def test_an_address_that_only_this_host_sees_is_warned_of(cluster):
    cluster.run("apply")
    _, err = cluster.run("invite", "nodeb")
    assert "--endpoints" in err


def test_a_damaged_join_string(cluster):
    for line in ("og://h:1", "http://x", "og://h:1/c?worker=worker-a:b"):
        _, err = cluster.run("accept", line, expect=3)
        assert "this is no join string" in err


def test_a_join_string_of_a_broker_with_tls_needs_its_authority(cluster, tmp_path):
    line = "og://h:5671/c?worker=worker-a:b&producer=producer-a:b&tls=1"
    there = Cluster(tmp_path / "there", "x")
    _, err = there.run("accept", line, expect=3)
    assert "--ca FILE" in err
    there.run("accept", line, "--ca", "/etc/ca.pem")
    text = (there.root / "config.ini").read_text()
    assert "tls = yes\n" in text and "ca = /etc/ca.pem\n" in text


# ---- the embedded servers ----


class RenderedRabbit(Rabbit):
    """Runs on the rendered files instead of the test's own. Ready when it takes AMQP connections, as for the supervisor:
    its management must be there by then."""

    def start(self):
        (self.folder / "rabbitmq-env.conf").touch()
        self.spawn([RABBIT_BIN], self.environment(), self.log)
        wait_for("RabbitMQ", self.takes_connections, 90, self.process)
        return self

    def takes_connections(self):
        with socket.socket() as s:
            return s.connect_ex((self.host, self.port)) == 0


@pytest.fixture
def embedded(tmp_path):
    """A root with rendered files, and nothing started yet."""
    root = tmp_path / "ro ot"
    rabbit = RenderedRabbit(root / "rabbitmq")
    c = Cluster(root, "emb", f"127.0.0.1:{rabbit.port}", f"http://127.0.0.1:{rabbit.management_port}")
    c.rabbit = rabbit
    yield c
    rabbit.stop()


def test_render_is_idempotent_and_keeps_secrets_and_what_people_wrote(embedded):
    out, _ = embedded.run("render", embedded.root)
    files = {Path(line).relative_to(embedded.root) for line in out.splitlines()}
    assert {str(f) for f in files} == {
        "rabbitmq/rabbitmq.conf",
        "rabbitmq/enabled_plugins",
        "redis/redis.conf",
        "redis/users.acl",
        "store/redis.conf",
        "store/users.acl",
    }
    assert all(mode(embedded.root / f) == 0o600 for f in files)
    for role in ("admin", "redis-admin", "scheduler", "store-admin", "gateway"):
        assert mode(embedded.root / "secrets" / f"{role}.credentials") == 0o600
    before = {f: (embedded.root / f).read_text() for f in files}
    assert embedded.run("render", embedded.root) == ("", "")
    conf = embedded.root / "rabbitmq/rabbitmq.conf"
    conf.write_text(conf.read_text() + "listeners.ssl.1 = 5671\n")
    assert embedded.run("render", embedded.root) == ("", "")
    assert conf.read_text() == before[Path("rabbitmq/rabbitmq.conf")] + "listeners.ssl.1 = 5671\n"
    out, _ = embedded.run("render", embedded.root, "--listen", "10.1.2.3")
    assert out == f"{conf}\n"
    assert f"listeners.tcp.2 = 10.1.2.3:{embedded.rabbit.port}\n" in conf.read_text()
    assert conf.read_text().endswith("listeners.ssl.1 = 5671\n")


def test_the_rendered_rabbitmq_runs(embedded):
    embedded.run("render", embedded.root)
    rabbit = embedded.rabbit
    rabbit.admin, rabbit.password = embedded.credentials("admin")
    rabbit.start()
    assert [u["name"] for u in rabbit.api("GET", "/api/users")] == ["admin"]
    embedded.run("apply")
    assert embedded.run("check") == ("", "")
    environment = subprocess.run(
        [RABBIT_BIN.with_name("rabbitmqctl"), "environment"],
        env={**rabbit.environment(), "RABBITMQ_ERLANG_COOKIE": (rabbit.folder / ".erlang.cookie").read_text()},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    for setting in (
        "{consumer_timeout,14400000}",
        "{max_message_size,16777216}",
        "{cluster_partition_handling,pause_minority}",
        "{vm_memory_high_watermark,0.4}",
        "{wal_max_size_bytes,67108864}",
        "{heartbeat,10}",
        "{disk_free_limit,\"512MB\"}",
    ):
        assert setting in environment.replace(" ", ""), setting
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        embedded.connect("guest", "guest")
    channel = embedded.connect_as("producer").channel()
    channel.confirm_delivery()
    channel.basic_publish("og.jobs", "job", b"x" * (8 << 20), mandatory=True)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
        channel.basic_publish("og.jobs", "job", b"x" * (17 << 20))
    assert refused.value.reply_code == 406


@pytest.fixture
def rendered_redis(tmp_path):
    root = tmp_path / "ro ot"
    redis = Redis(root / "redis")
    c = Cluster(root, "emb", settings="[redis]\naddress = unix:redis/redis.sock\n")
    c.run("render", root)
    redis.spawn(["redis-server", str(root / "redis/redis.conf")], log=redis.log)
    wait_for("Redis", redis.socket.exists, 20, redis.process)
    yield c, redis
    redis.stop()


def ask(redis, user, password, *words):
    """What redis-cli prints."""
    return subprocess.run(
        ["redis-cli", "-s", str(redis.socket), "--no-auth-warning"]
        + (["--user", user, "--pass", password] if user else [])
        + list(words),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    ).stdout.strip()


def test_the_rendered_redis_runs_and_knows_its_users(rendered_redis):
    cluster, redis = rendered_redis
    scheduler, admin = cluster.credentials("scheduler"), cluster.credentials("redis-admin")
    assert "NOAUTH" in ask(redis, None, None, "PING")
    assert "NOAUTH" in ask(redis, scheduler[0], "wrong", "PING")
    assert mode(redis.socket) & 0o077 == 0

    assert ask(redis, *scheduler, "PING") == "PONG"
    assert ask(redis, *scheduler, "SET", "og:emb:epoch", "1") == "OK"
    for words in (
        ("HSET", "og:emb:job:1", "state", "done"),
        ("HGETALL", "og:emb:job:1"),
        ("ZADD", "og:emb:open", "1", "x"),
        ("ZRANGE", "og:emb:open", "0", "-1"),
        ("XADD", "og:emb:events", "MAXLEN", "~", "10", "*", "a", "b"),
        ("PEXPIRE", "og:emb:job:1", "100000"),
        ("HINCRBY", "og:emb:counters", "done", "1"),
        ("UNLINK", "og:emb:open"),
        ("EVAL", "return redis.call('GET', KEYS[1])", "1", "og:emb:epoch"),
        ("SCRIPT", "LOAD", "return 1"),
    ):
        assert "NOPERM" not in ask(redis, *scheduler, *words), words
    for words in (
        ("GET", "og:other:epoch"),
        ("SET", "x", "1"),
        ("EVAL", "return redis.call('SET', 'x', '1')", "0"),
        ("KEYS", "*"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("SCRIPT", "FLUSH"),
        ("FUNCTION", "FLUSH"),
        ("SHUTDOWN",),
        ("SUBSCRIBE", "x"),
        ("MONITOR",),
        ("REPLICAOF", "NO", "ONE"),
    ):
        answer = ask(redis, *scheduler, *words)
        assert "NOPERM" in answer or "ACL failure" in answer or "can't access" in answer, (words, answer)
    assert "appendonly\nyes" in ask(redis, *admin, "CONFIG", "GET", "appendonly")
    assert "noeviction" in ask(redis, *admin, "CONFIG", "GET", "maxmemory-policy")
    assert ask(redis, *admin, "CONFIG", "GET", "maxmemory").split()[1] == str(2 * (256 << 20) + (256 << 20))


@pytest.fixture
def rendered_store(tmp_path):
    root = tmp_path / "st"
    store = Redis(root / "store")
    c = Cluster(root, "emb", settings="[store]\naddress = unix:store/redis.sock\nmax_bytes = 64MiB\n")
    c.run("render", root)
    store.spawn(["redis-server", str(root / "store/redis.conf")], log=store.log)
    wait_for("the store", store.socket.exists, 20, store.process)
    yield c, store
    store.stop()


def test_the_rendered_store_is_the_gateways_and_writes_before_it_answers(rendered_store):
    cluster, store = rendered_store
    gateway, admin = cluster.credentials("gateway"), cluster.credentials("store-admin")
    assert mode(store.socket) & 0o077 == 0
    assert "NOAUTH" in ask(store, None, None, "PING")
    assert "NOAUTH" in ask(store, *cluster.credentials("scheduler"), "PING")
    assert ask(store, *gateway, "PING") == "PONG"
    assert ask(store, *gateway, "HSET", "og:emb:key:1", "name", "x") == "1"
    assert ask(store, *gateway, "EVAL", "return redis.call('HGET', KEYS[1], 'name')", "1", "og:emb:key:1") == "x"
    for words in (("GET", "og:other:x"), ("SET", "x", "1"), ("KEYS", "*"), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("BGSAVE",)):
        assert "NOPERM" in ask(store, *gateway, *words), words
    assert ask(store, *admin, "CONFIG", "GET", "appendfsync").split()[1] == "always"
    assert ask(store, *admin, "CONFIG", "GET", "maxmemory").split()[1] == str(64 << 20)
    store.kill()
    store.spawn(["redis-server", str(cluster.root / "store/redis.conf")], log=store.log)
    wait_for("the store", lambda: ask(store, *gateway, "HGET", "og:emb:key:1", "name") == "x", 20, store.process)


def test_a_snapshot_of_the_store_can_be_restored(rendered_store):
    """As docs/INSTALL.md tells it."""
    cluster, store = rendered_store
    gateway, admin = cluster.credentials("gateway"), cluster.credentials("store-admin")
    conf = str(cluster.root / "store/redis.conf")
    assert ask(store, *gateway, "SET", "og:emb:x", "kept") == "OK"
    before = ask(store, *admin, "LASTSAVE")
    time.sleep(1.1)  # LASTSAVE counts whole seconds
    assert "started" in ask(store, *admin, "BGSAVE")
    wait_for("the snapshot", lambda: ask(store, *admin, "LASTSAVE") != before, 20, store.process)
    ask(store, *gateway, "SET", "og:emb:x", "lost")
    store.stop()

    shutil.rmtree(cluster.root / "store/appendonlydir")
    store.spawn(["redis-server", conf, "--appendonly", "no"], log=store.log)
    wait_for("the store", lambda: ask(store, *gateway, "GET", "og:emb:x") == "kept", 20, store.process)
    assert ask(store, *admin, "CONFIG", "SET", "appendonly", "yes") == "OK"
    wait_for("the file", lambda: "aof_rewrite_in_progress:0" in ask(store, *admin, "INFO", "persistence"), 20, store.process)
    store.stop()
    store.spawn(["redis-server", conf], log=store.log)
    wait_for("the store", lambda: ask(store, *gateway, "GET", "og:emb:x") == "kept", 20, store.process)
