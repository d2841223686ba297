"""What each role may and may not do, tried with its real credentials against a real RabbitMQ.

A refusal is the broker's: channel closed with 403 (or 406 for another's user_id). What the broker cannot refuse stands at
the end, with who catches it instead."""

import contextlib
import os
import secrets
import sys
import urllib.error
import uuid
from pathlib import Path

import pika
import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from cluster import Cluster  # noqa: E402
from services import api, manage  # noqa: E402

TIER = "smollm2-135m"
FIXED_QUEUES = [
    "og.jobs.intake",
    "og.state",
    "og.state.later",
    "og.retry",
    "og.hold",
    "og.delay.1s",
    "og.dead.intake",
    "og.dead",
    "og.rpc",
    f"og.tier.{TIER}",
    f"og.wait.{TIER}.normal.0",
]
EXCHANGES = [
    "og.jobs",
    "og.wait",
    "og.work",
    "og.replies",
    "og.control",
    "og.presence",
    "og.rpc",
    "og.retry",
    "og.later",
    "og.dead",
]


class Party:
    """One user's connection; each trial has a channel of its own, because a refusal closes it."""

    def __init__(self, cluster, user, password):
        self.user, self.connection = user, cluster.connect(user, password)
        self.reply = f"{user}~{secrets.token_hex(16)}"

    def channel(self):
        channel = self.connection.channel()
        channel.confirm_delivery()
        return channel

    def publish(self, exchange, key, mandatory=False, **properties):
        self.channel().basic_publish(
            exchange, key, b"{}", pika.BasicProperties(message_id=str(uuid.uuid4()), **properties), mandatory=mandatory
        )

    def make_queue(self, name, arguments=None):
        """Without auto-delete, which would end it with the first consumer."""
        self.channel().queue_declare(name, exclusive=True, arguments=arguments)
        return name

    def make_reply_queue(self, arguments=None):
        return self.make_queue(f"og.reply.{self.reply}", arguments)

    def bind(self, queue, exchange, key):
        self.channel().queue_bind(queue, exchange, key)

    def get(self, queue):
        """One message's body and routing key, waiting a little for it."""
        channel = self.channel()
        for method, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=5):
            channel.cancel()
            return (method.routing_key, body) if method else None


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("root"), f"pm-{uuid.uuid4().hex[:8]}")
    c.run("apply")
    c.run("invite", "other", "--endpoints", "h:1")
    yield c
    c.run("revoke", "other")
    api("DELETE", f"/api/vhosts/{c.name}")


def party(cluster, role):
    p = Party(cluster, *cluster.credentials(role))
    yield p
    with contextlib.suppress(pika.exceptions.AMQPError):
        p.connection.close()


@pytest.fixture
def producer(cluster):
    yield from party(cluster, "producer")


@pytest.fixture
def operator(cluster):
    yield from party(cluster, "operator")


@pytest.fixture
def gateway(cluster):
    yield from party(cluster, "gateway")


@pytest.fixture
def worker(cluster):
    yield from party(cluster, "worker")


@pytest.fixture
def scheduler(cluster):
    yield from party(cluster, "scheduler")


@pytest.fixture
def other(cluster, tmp_path):
    """The producer of another node."""
    line, _ = cluster.run("invite", "other", "--endpoints", "h:1")
    there = Cluster(tmp_path / "there", cluster.name)
    there.run("accept", line.strip())
    yield from party(there, "producer")


@contextlib.contextmanager
def refused(code=403):
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as closed:
        yield
    assert closed.value.reply_code == code, closed.value


def refuse_each(what, attempt):
    """All of them, told together."""
    allowed = []
    for item in what:
        try:
            attempt(item)
        except pika.exceptions.ChannelClosedByBroker as e:
            assert e.reply_code == 403, (item, e)
        else:
            allowed.append(item)
    assert not allowed, f"the broker lets it: {allowed}"


def refuse_reading(p, queues):
    refuse_each(queues, lambda q: p.channel().basic_get(q))
    refuse_each(queues, lambda q: p.channel().basic_consume(q, lambda *_: None))
    refuse_each(queues, lambda q: p.channel().queue_purge(q))


def refuse_changing_the_table(p):
    """What no role may: the table is og-broker-config's."""
    refuse_each(FIXED_QUEUES, lambda q: p.channel().queue_delete(q))
    refuse_each(["mine", "og.tier.mine", "og.jobs.intake2", ""], p.make_queue)
    refuse_each(["mine", "og.mine"], lambda x: p.channel().exchange_declare(x, "fanout"))
    refuse_each(EXCHANGES, lambda x: p.channel().exchange_delete(x))
    refuse_each(
        [("og.jobs", "og.replies", "#"), ("og.dead", "og.replies", "*.done"), ("og.rpc", "og.control", "#")],
        lambda b: p.channel().exchange_bind(b[0], b[1], b[2]),
    )
    refuse_each(["", "amq.topic", "amq.direct", "amq.fanout"], lambda x: p.publish(x, "og.jobs.intake"))
    with refused(406):
        p.publish("og.dead" if "worker" in p.user or "scheduler" in p.user else "og.jobs", "dead", user_id="admin")


def foreign_reply(user):
    return f"{user}~{'ab' * 16}"


# ---- producer and gateway ----


@pytest.mark.parametrize("role", ["producer", "gateway", "operator"])
def test_a_client_asks_and_reads_its_answers(request, role, worker, scheduler):
    client = request.getfixturevalue(role)
    queue = client.make_reply_queue()
    client.bind(queue, "og.replies", f"{client.reply}.*")
    client.publish("og.jobs", "job", mandatory=True, user_id=client.user, reply_to=client.reply)
    client.publish("og.rpc", "rpc", mandatory=True, user_id=client.user)
    worker.publish("og.replies", f"{client.reply}.chunk", mandatory=True)
    assert client.get(queue) == (f"{client.reply}.chunk", b"{}")
    for what in ("placed", "ping", "done", "rpc"):
        scheduler.publish("og.replies", f"{client.reply}.{what}", mandatory=True)
        assert client.get(queue) == (f"{client.reply}.{what}", b"{}")
    client.channel().queue_unbind(queue, "og.replies", f"{client.reply}.*")
    client.channel().queue_delete(queue)


@pytest.mark.parametrize("role", ["producer", "gateway", "operator"])
def test_a_client_may_nothing_else(request, role):
    client = request.getfixturevalue(role)
    queue = client.make_reply_queue()
    foreign = foreign_reply("producer-other")
    refuse_each(
        ["#", "*", "*.*", "*.done", "#.done", f"{client.reply}.#", f"{client.reply}.done", f"{foreign}.*", "*.rpc"]
        + [f"{client.user}~{'g' * 32}.*", f"{client.user}-2~{'ab' * 16}.*", f"{client.reply}.*.*", ""],
        lambda key: client.bind(queue, "og.replies", key),
    )
    refuse_each([x for x in EXCHANGES if x != "og.replies"], lambda x: client.bind(queue, x, f"{client.reply}.*"))
    refuse_reading(client, FIXED_QUEUES)
    refuse_each(
        [f"og.reply.{foreign}", f"og.reply.{client.user}", f"og.reply.{client.reply}x", "og.control.worker-local~x"],
        client.make_queue,
    )
    refuse_each(
        [x for x in EXCHANGES if x not in ("og.jobs", "og.rpc")], lambda x: client.publish(x, f"{client.reply}.done")
    )
    refuse_each(
        [f"{client.reply}.done", f"{client.reply}.ping", f"{foreign}.done", f"{foreign}.chunk"],
        lambda key: client.publish("og.replies", key),
    )
    refuse_changing_the_table(client)


def test_a_client_cannot_have_the_broker_forge_for_it(producer):
    """What a queue dead-letters is not checked against topic permissions: the queue may not be declared."""
    for exchange in ("og.replies", "og.work", "og.control", "og.presence", ""):
        with refused():
            producer.make_reply_queue(
                arguments={
                    "x-dead-letter-exchange": exchange,
                    "x-dead-letter-routing-key": f"{foreign_reply('producer-other')}.done",
                    "x-message-ttl": 0,
                }
            )


def test_a_reply_queue_is_its_owners(producer, other):
    queue = producer.make_reply_queue()
    for attempt in (
        lambda: other.channel().basic_get(queue),
        lambda: other.channel().queue_purge(queue),
        lambda: other.channel().queue_delete(queue),
        lambda: other.bind(queue, "og.replies", f"{other.reply}.*"),
        lambda: other.make_queue(queue),
    ):
        with refused():
            attempt()


def test_a_client_cannot_be_another(producer):
    for user in ("producer-other", "scheduler", "gateway", "worker-local"):
        with refused(406):
            producer.publish("og.jobs", "job", user_id=user)


# ---- worker ----


def test_a_worker_serves(worker, scheduler, producer):
    replies = producer.make_reply_queue()
    producer.bind(replies, "og.replies", f"{producer.reply}.*")
    scheduler.channel().queue_purge("og.state")
    scheduler.publish("og.work", TIER, mandatory=True)
    assert worker.get(f"og.tier.{TIER}") == (TIER, b"{}")
    for what in ("started", "chunk", "done"):
        worker.publish("og.replies", f"{producer.reply}.{what}", mandatory=True)
        assert producer.get(replies) == (f"{producer.reply}.{what}", b"{}")
    assert scheduler.get("og.state") == (f"{producer.reply}.done", b"{}")
    worker.publish("og.presence", "", user_id=worker.user)
    worker.publish("og.dead", "dead", mandatory=True)

    control = worker.make_queue(f"og.control.{worker.user}~x")
    for key in ("all", f"tier.{TIER}", "node.nodea", "worker.nodea_smollm2-135m_0"):
        worker.bind(control, "og.control", key)
        scheduler.publish("og.control", key, mandatory=True)
        assert worker.get(control) == (key, b"{}")


def test_a_worker_reads_its_node_queue_and_no_others(worker, scheduler):
    for user in (worker.user, "worker-other"):
        queue, key = f"og.node.{user}~x", f"node.{user}~x"
        scheduler.channel().queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        scheduler.bind(queue, "og.work", key)
        scheduler.publish("og.work", key, mandatory=True)
    assert worker.get(f"og.node.{worker.user}~x") == (f"node.{worker.user}~x", b"{}")
    refuse_reading(worker, ["og.node.worker-other~x"])
    with refused():
        worker.bind(f"og.node.{worker.user}~x", "og.work", TIER)
    for user in (worker.user, "worker-other"):
        scheduler.channel().queue_delete(f"og.node.{user}~x")


def test_a_worker_may_nothing_else(worker):
    control = worker.make_queue(f"og.control.{worker.user}~y")
    foreign = foreign_reply("producer-other")
    refuse_each(
        ["#", "*", "*.*", "tier.*", "tier.#", "#.cancel", "worker.a.b", "alls", ""],
        lambda key: worker.bind(control, "og.control", key),
    )
    refuse_each([x for x in EXCHANGES if x != "og.control"], lambda x: worker.bind(control, x, "all"))
    refuse_reading(worker, [q for q in FIXED_QUEUES if not q.startswith("og.tier.")])
    refuse_each(
        ["og.control.worker-other~x", f"og.tier.{TIER}2", f"og.node.{worker.user}~x", f"og.reply.{foreign}"]
        + [f"og.reply.{foreign_reply(worker.user)}", "og.leader", "og.presence.scheduler~x"],
        worker.make_queue,
    )
    refuse_each(
        ["og.jobs", "og.wait", "og.work", "og.control", "og.rpc", "og.later"], lambda x: worker.publish(x, "job")
    )
    refuse_each(
        [f"{foreign}.{what}" for what in ("rpc", "placed", "ping", "done.x", "")]
        + ["#", "done", f"{foreign.upper()}.done", "producer-other~short.done"],
        lambda key: worker.publish("og.replies", key),
    )
    with refused(406):
        worker.publish("og.presence", "", user_id="worker-other")
    with refused(406):
        worker.publish("og.replies", f"{foreign}.done", user_id="scheduler")
    refuse_changing_the_table(worker)


# ---- scheduler ----


def test_a_scheduler_moves_jobs(scheduler, producer, worker):
    scheduler.make_queue("og.leader")
    presence = scheduler.make_queue("og.presence.scheduler~x")
    scheduler.bind(presence, "og.presence", "")
    worker.publish("og.presence", "")
    assert scheduler.get(presence) == ("", b"{}")
    for queue in ("og.jobs.intake", "og.rpc", "og.state"):
        scheduler.channel().queue_purge(queue)
    producer.publish("og.jobs", "job", mandatory=True)
    assert scheduler.get("og.jobs.intake") == ("job", b"{}")
    producer.publish("og.rpc", "rpc", mandatory=True)
    assert scheduler.get("og.rpc") == ("rpc", b"{}")
    scheduler.publish("og.wait", f"{TIER}.normal.0", mandatory=True)
    assert scheduler.get(f"og.wait.{TIER}.normal.0") == (f"{TIER}.normal.0", b"{}")
    scheduler.publish("og.later", "later", mandatory=True)
    assert scheduler.get("og.state.later") == ("later", b"{}")
    scheduler.publish("og.work", TIER, mandatory=True)
    assert scheduler.get(f"og.tier.{TIER}") == (TIER, b"{}")
    scheduler.publish("og.dead", "dead", mandatory=True)
    scheduler.publish("og.control", "all")


def test_only_one_leads(cluster, scheduler):
    scheduler.make_queue("og.leader")
    standby = Party(cluster, *cluster.credentials("scheduler"))
    with refused(405):
        standby.make_queue("og.leader")
    scheduler.connection.close()
    standby.make_queue("og.leader")
    standby.connection.close()


def test_a_scheduler_may_nothing_else(scheduler):
    foreign = foreign_reply("producer-other")
    presence = scheduler.make_queue("og.presence.scheduler~y")
    refuse_each(["#", "*.done", f"{foreign}.*"], lambda key: scheduler.bind(presence, "og.replies", key))
    refuse_each(["#", "all", "tier.*"], lambda key: scheduler.bind(presence, "og.control", key))
    refuse_each(["og.jobs", "og.rpc", "og.presence"], lambda x: scheduler.publish(x, "job"))
    refuse_each(
        [f"{foreign}.{what}" for what in ("started", "chunk", "x")], lambda key: scheduler.publish("og.replies", key)
    )
    refuse_each(["#", "*", "tier.a.b", "tier"], lambda key: scheduler.publish("og.control", key))
    refuse_reading(scheduler, ["og.delay.1s", f"og.reply.{foreign}", "og.control.worker-local~x"])
    refuse_each(
        [f"og.reply.{foreign}", "og.control.worker-local~x", f"og.tier.{TIER}2", "og.presence.scheduler-2~x"],
        scheduler.make_queue,
    )
    refuse_changing_the_table(scheduler)


# ---- everybody ----


@pytest.mark.parametrize("role", ["producer", "gateway", "operator", "worker", "scheduler"])
def test_nobody_reaches_another_vhost_or_the_management(cluster, role):
    user, password = cluster.credentials(role)
    host, port = cluster.amqp.rsplit(":", 1)
    with pytest.raises((pika.exceptions.ProbableAccessDeniedError, pika.exceptions.ConnectionClosedByBroker)):
        pika.BlockingConnection(
            pika.ConnectionParameters(host, int(port), "/", pika.PlainCredentials(user, password))
        ).close()
    with pytest.raises(urllib.error.HTTPError) as denied:
        manage(os.environ["OG_TEST_MANAGEMENT"] + "/api/queues", "GET", None, user, password)
    assert denied.value.code == 401


# ---- what the broker cannot refuse, and who catches it ----


def test_a_forged_done_reaches_the_state_queue(worker, scheduler):
    """A worker may answer any job whose reply key it knows (128 random bits): the scheduler drops a `done` whose lease
    does not fit, and counts it (docs/PROTOCOL.md, Lease). The broker holds that it names its true user."""
    scheduler.channel().queue_purge("og.state")
    key = f"{foreign_reply('producer-other')}.done"
    worker.publish("og.replies", key, user_id=worker.user)
    assert scheduler.get("og.state") == (key, b"{}")


def test_a_worker_may_purge_the_queue_it_reads(worker, scheduler):
    """Reading includes purging. The scheduler misses what a bad node empties its own tier of: a placed job that is in
    no heartbeat is placed again; and `og-broker-config revoke` ends the node."""
    scheduler.publish("og.work", TIER, mandatory=True)
    worker.channel().queue_purge(f"og.tier.{TIER}")
    assert scheduler.channel().basic_get(f"og.tier.{TIER}")[0] is None


def test_anyone_may_look_how_long_a_queue_is(producer):
    """A passive declare needs no permission: the number of messages is no secret, their content is."""
    producer.channel().queue_declare("og.jobs.intake", passive=True)
