"""og-broker-config render: the embedded RabbitMQ and Redis run as it writes them."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pika
import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from cluster import Cluster  # noqa: E402
from services import RABBIT_BIN, Rabbit, Redis, wait_for  # noqa: E402
from test_broker_config import mode  # noqa: E402


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
