"""A node with credentials of its own that tries what it may not."""

import json
import time
import uuid

import fleet
import pika
from cluster import Cluster
from world import TIER, TIER_KEY


def attack(r):
    world = r.world
    root = world.folder / f"mallory-{uuid.uuid4().hex[:6]}"
    there = Cluster(root, world.cluster.name, amqp=world.cluster.amqp, management="http://-")
    line, _ = world.cluster.run("invite", "mallory", "--endpoints", "h:1")
    there.run("accept", line.strip())
    producer, worker = there.credentials("producer"), there.credentials("worker")
    with r.load(rate=15):
        r.some_jobs(10)
        refuse(r, world, worker, producer)
        r.some_jobs(5)
        pretend(r, world, there, worker)
        r.some_jobs(10)
    world.cluster.run("revoke", "mallory")


def trials(world):
    """What a node may not: each with a name, and a deed with a channel."""
    foreign = f"producer~{'ab' * 16}"
    yield "binds # to the answers", lambda c: bind(c, "og.replies", "#")
    yield "binds to another's answers", lambda c: bind(c, "og.replies", f"{foreign}.*")
    yield "binds # to the control messages", lambda c: bind(c, "og.control", "#")
    yield "declares another's reply queue", lambda c: c.queue_declare(f"og.reply.{foreign}", exclusive=True)
    for queue in ("og.jobs.intake", "og.state", "og.retry", "og.dead", f"og.wait.{TIER_KEY}.normal.0"):
        yield f"purges {queue}", lambda c, q=queue: c.queue_purge(q)
        yield f"reads {queue}", lambda c, q=queue: c.basic_get(q)
        yield f"deletes {queue}", lambda c, q=queue: c.queue_delete(q)
    for exchange, key in (("og.work", TIER_KEY), ("og.wait", f"{TIER_KEY}.high.0"), ("og.later", "later"), ("", "og.state")):
        yield f"publishes to '{exchange}'", lambda c, x=exchange, k=key: publish(c, x, k)
    yield "speaks as the scheduler", lambda c: publish(c, "og.presence", "", user_id="scheduler")
    yield "leads", lambda c: c.queue_declare("og.leader", exclusive=True)


def bind(channel, exchange, key):
    channel.queue_declare("mine", exclusive=True)
    channel.queue_bind("mine", exchange, key)


def publish(channel, exchange, key, **properties):
    channel.confirm_delivery()
    channel.basic_publish(exchange, key, b"{}", pika.BasicProperties(message_id=str(uuid.uuid4()), **properties))


def refuse(r, world, *users):
    for user in users:
        connection = world.cluster.connect(*user)
        for name, deed in trials(world):
            if name == "speaks as the scheduler" and "producer" in user[0]:
                continue
            try:
                deed(connection.channel())
                r.hold(f"{user[0]} {name}, and the broker lets it", False)
            except pika.exceptions.ChannelClosedByBroker as refusal:
                r.count("refused", refusal.reply_code in (403, 405, 406))
        connection.close()


def pretend(r, world, there, worker):
    """As a worker of the tier: ends of jobs that others run, and hand-backs of jobs that it does not hold. All are dropped and counted."""
    before = counted(world)
    liar = fleet.Client(there, worker)
    liar.start()
    victims = [job for job in r.ledger.accepted() if not job.ends][-3:] or r.ledger.accepted()[-3:]
    echo = {"og-lease": "ab" * 32, "og-epoch": 10**14, "og-attempt": 1, "og-run": 0}
    told = json.dumps({"text": "forged"}).encode()
    for job in victims:
        reply = f"{world.cluster.credentials('producer')[0]}~{'cd' * 16}"
        at = {"message_id": job.id, "correlation_id": job.id, "delivery_mode": 2}
        done = {**at, "type": "inference_response", "headers": {**echo, "og-state": "done"}}
        back = {"og-tier": TIER, "og-error": "worker_lost", "og-reason": "forged"}
        back = {**at, "type": "inference_request", "reply_to": reply, "headers": {**echo, **back}}
        liar.do(lambda key=f"{reply}.done", done=done: liar.publish("og.replies", key, told, **done))
        liar.do(lambda body=job.body, back=back: liar.publish("og.retry", "retry", body, **back))
        r.count("forged", 2)
    time.sleep(2)
    liar.close()
    dropped, forged = counted(world) - before, r.counts["forged"]
    r.counts["dropped_and_counted"] = dropped
    r.hold(f"{dropped} of {forged} forgeries were counted", dropped >= forged)
    r.did("with a node's own credentials: 40 deeds that the broker refuses; ends and hand-backs of others' jobs under made-up leases")


def counted(world):
    return world.leader_says().get("process", {}).get("forged", 0)
