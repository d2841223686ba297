"""The AMQP client and a real RabbitMQ: restarted, stopped, alarmed, behind a bad network."""

import json
import signal
import socket
import struct
import sys
import time
import urllib.parse
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from amqp_rig import (  # noqa: E402, F401
    HEARTBEAT_MS,
    authority,
    broker,
    client,
    frame,
    longstr,
    method,
    name,
    proxy,
    rabbit,
    settled,
    shortstr,
    stats,
    stats_when,
)
from services import free_port, wait_for  # noqa: E402


def publish_raw(rabbit, queue, body):
    """One message to a queue, of any size, and a goodbye that is answered when the broker has taken it."""
    secret = longstr(f"\0{rabbit.admin}\0{rabbit.password}".encode())
    login = longstr(b"") + shortstr(b"PLAIN") + secret + shortstr(b"en_US")
    publish = b"\0\0" + shortstr(b"") + shortstr(queue.encode()) + b"\0"
    with socket.create_connection(("127.0.0.1", rabbit.port)) as s:
        s.sendall(b"AMQP\0\0\x09\x01" + method(0, 10, 11, login))
        s.sendall(method(0, 10, 31, struct.pack(">HIH", 1, 131072, 0)) + method(0, 10, 40, shortstr(b"/") + b"\0\0"))
        s.sendall(method(1, 20, 10, b"\0") + method(1, 60, 40, publish))
        s.sendall(frame(2, 1, struct.pack(">HHQH", 60, 0, len(body), 0)))
        for at in range(0, len(body), 131064):
            s.sendall(frame(3, 1, body[at : at + 131064]))
        s.sendall(method(1, 20, 40, struct.pack(">H", 200) + shortstr(b"") + b"\0\0\0\0"))
        answers = b""
        while struct.pack(">HH", 20, 41) not in answers:
            answers += s.recv(65536)


# messages


@pytest.mark.parametrize("kind", ["quorum", "durable"])
def test_round_trip(rabbit, name, kind):
    with client(rabbit) as c:
        c.say("queue", name, kind)
        c.say("consume", name, 10, "show")
        c.until("up")
        # around the first frame, around two frames, and the largest that there is
        sizes = [0, 4, 512, 131064, 131065, 262128, 262129, 8 * 1024 * 1024]
        for n, size in enumerate(sizes):
            c.say("publish", "-", name, 1, size)
            got = c.until("delivery", 30)
            assert (got["n"], got["bytes"], got["key"], got["exchange"]) == (n, size, name, "")
            assert (got["headers"], got["user"], got["redelivered"]) == (3, rabbit.admin, False)
        s = stats_when(c, lambda s: s["confirmed"] == len(sizes))
        assert s["corrupt"] == 0 and s["most_settled"] == 1
        c.say("ackheld")


def test_topic_exchange_and_prefetch(rabbit, name):
    with client(rabbit) as c:
        c.say("exchange", "test.topic", "topic")
        c.say("queue", name, "exclusive")
        c.say("bind", "test.topic", name, "*.done")
        c.say("consume", name, 3, "hold")
        c.until("up")
        c.say("publish", "test.topic", "a.done", 5, 10)
        c.say("publish", "test.topic", "a.b.done", 5, 10, "mandatory")
        assert stats_when(c, lambda s: settled(s) == 10)["returned"] == 5
        assert stats(c)["deliveries"] == 3
        c.say("ackheld")
        stats_when(c, lambda s: s["deliveries"] == 5)


def test_recipe_of_many_steps_answered_out_of_order(rabbit, name):
    """A quorum queue answers a consume itself, behind the channel's answers to what came later."""
    with client(rabbit) as c:
        c.say("exchange", "test.many", "direct")
        for n in range(30):
            c.say("queue", f"{name}.{n}", "quorum" if n % 3 == 0 else "exclusive")
            c.say("consume", f"{name}.{n}", 1 + n % 5, "ack")
            c.say("bind", "test.many", f"{name}.{n}", n)
        c.until("up", 60)
        for n in range(30):
            c.say("publish", "test.many", n, 3, 10, "mandatory")
            stats_when(c, lambda s: s["confirmed"] == 3 * (n + 1) and s["deliveries"] == 3 * (n + 1))


def test_returned_is_told_from_confirmed(rabbit, name):
    with client(rabbit) as c:
        c.say("queue", name, "exclusive")
        c.until("up")
        c.say("publish", "-", name, 1, 10, "mandatory", "show")
        assert c.until("settled")["how"] == "confirmed"
        c.say("publish", "-", name + ".none", 1, 10, "mandatory", "show")
        assert c.until("settled")["how"] == "returned"
        c.say("publish", "-", name + ".none", 1, 10, "show")
        assert c.until("settled")["how"] == "confirmed"


def test_full_queue_nacks(rabbit, name):
    with client(rabbit) as c:
        c.say("queue", name, "exclusive", "reject", "max=1")
        c.until("up")
        c.say("publish", "-", name, 500, 10)
        s = stats_when(c, lambda s: settled(s) == 500)
        assert s["nacked"] > 0 and s["confirmed"] >= 1 and s["most_settled"] == 1


def test_publish_that_closes_the_channel_is_nacked_and_the_others_go_on(rabbit, name):
    with client(rabbit) as c:
        c.say("queue", name, "quorum")
        c.until("up")
        c.say("publish", "-", name, 20, 10)
        c.say("publish", "test.no-such-exchange", "key", 1, 10)
        c.say("publish", "-", name, 20, 10)
        s = stats_when(c, lambda s: settled(s) == 41)
        assert (s["nacked"], s["confirmed"], s["most_settled"]) == (1, 40, 1)


def test_oversized_delivery_is_rejected_and_counted(rabbit, name):
    with client(rabbit) as c:
        c.say("queue", name, "durable")
        c.until("up")
        publish_raw(rabbit, name, bytes(9 * 1024 * 1024))
        c.say("publish", "-", name, 1, 10)
        c.say("consume", name, 1, "ack")
        s = stats_when(c, lambda s: s["unique"] == 1)
        assert (s["oversized"], s["deliveries"]) == (1, 1)


# bundles


def messages(rabbit, queue):
    listed = rabbit.ctl("list_queues", "--silent", "name", "messages").split()
    return int(dict(zip(listed[::2], listed[1::2], strict=True))[queue])


@pytest.mark.parametrize("kind", ["quorum", "durable"])
def test_what_is_published_together_travels_together_and_comes_one_by_one(rabbit, name, kind):
    with client(rabbit) as c:
        c.say("queue", name, kind)
        c.until("up")
        c.say("publish", "-", name, 100, 512, "mandatory", "bundle")
        c.say("publish", "-", name, 1, 40000, "mandatory", "bundle")
        stats_when(c, lambda s: s["confirmed"] == 101)
        wait_for("64 and 36 and the large one", lambda: messages(rabbit, name) == 3)
        c.say("consume", name, 10, "ack")
        s = stats_when(c, lambda s: s["unique"] == 101)
        assert (s["deliveries"], s["corrupt"], s["most_settled"]) == (101, 0, 1)
        wait_for("all to be acked", lambda: messages(rabbit, name) == 0)


def test_a_bundle_comes_again_until_all_of_it_is_settled(rabbit, name):
    with client(rabbit) as c:
        c.say("queue", name, "quorum")
        c.say("consume", name, 10, "show")
        c.until("up")
        c.say("publish", "-", name, 3, 10, "bundle")
        assert [c.until("delivery")["n"] for _ in range(3)] == [0, 1, 2]
        c.say("rejectheld")
        again = [c.until("delivery") for _ in range(3)]
        assert [(d["n"], d["redelivered"], d["delivery_count"], d["user"]) for d in again] == [
            (n, True, 1, rabbit.admin) for n in range(3)
        ]
        c.say("ackheld")
        wait_for("all to be acked", lambda: messages(rabbit, name) == 0)


def test_a_bundle_that_no_queue_takes_is_returned_whole(rabbit, name):
    with client(rabbit) as c:
        c.until("up")
        c.say("publish", "-", name + ".none", 5, 10, "mandatory", "bundle")
        s = stats_when(c, lambda s: settled(s) == 5)
        assert (s["returned"], s["most_settled"]) == (5, 1)


def test_bundles_survive_a_lost_connection(rabbit, proxy, name):
    with client(rabbit, port=proxy.port) as c:
        c.say("queue", name, "quorum")
        c.say("consume", name, 4, "ack")
        c.until("up")
        for sent in (5000, 10000, 15000):
            c.say("publish", "-", name, 5000, 200, "bundle")
            stats_when(c, lambda s, sent=sent: s["unique"] > sent - 4900)
            proxy.cut()
            c.until("down")
            c.until("up")
            s = stats_when(c, lambda s, sent=sent: s["unique"] == s["confirmed"] == sent)
        assert (s["corrupt"], s["most_settled"]) == (0, 1)


def test_cancel_requeues_what_is_on_its_way(rabbit, name):
    with client(rabbit) as c:
        c.say("queue", name, "quorum")
        c.say("consume", name, 1, "hold")
        handle = c.until("consuming")["handle"]
        c.until("up")
        c.say("publish", "-", name, 3, 10)
        stats_when(c, lambda s: s["deliveries"] == 1)
        c.say("cancel", handle)
        c.say("ackheld")
        c.say("consume", name, 10, "ack")
        s = stats_when(c, lambda s: s["unique"] == 3)
        assert s["corrupt"] == 0


def test_a_stop_tells_when_nothing_more_comes(rabbit, name):
    """With all of its prefetch out nothing is on its way inside the broker: RabbitMQ 3.10 closes the connection over a consumer that
    is cancelled while its queue is sending to it."""
    with client(rabbit) as c:
        c.say("queue", name, "quorum")
        c.say("consume", name, 3, "hold")
        handle = c.until("consuming")["handle"]
        c.until("up")
        c.say("publish", "-", name, 10, 10)
        stats_when(c, lambda s: s["deliveries"] == 3)
        c.say("stop", handle)
        c.until("stopped")
        c.say("ackheld")
        c.say("consume", name, 10, "show")
        for _ in range(7):
            assert not c.until("delivery")["redelivered"]
        s = stats_when(c, lambda s: s["unique"] == 10)
        assert s["deliveries"] == 10


def test_close_lets_acks_out_first(rabbit, name):
    """Twenty: of a burst of more than its soft limit (32) RabbitMQ itself loses some acks when the channel closes."""
    with client(rabbit) as c:
        c.say("queue", name, "quorum")
        c.say("consume", name, 0, "hold")
        c.until("up")
        c.say("publish", "-", name, 20, 10)
        stats_when(c, lambda s: s["deliveries"] == 20)
        c.say("ackheld")  # and the close right behind it
    with client(rabbit) as c:
        c.say("consume", name, 0, "show")
        c.until("up")
        c.say("publish", "-", name, 1, 10)
        got = c.until("delivery")
        assert not got["redelivered"], "an ack before the close was lost"
        c.say("ackheld")


def test_close_waits_for_the_confirms(rabbit, name):
    with client(rabbit) as c:
        c.say("queue", name, "quorum")
        c.until("up")
        c.say("publish", "-", name, 100, 1000, "show")
        c.say("close")
        assert [c.until("settled")["how"] for _ in range(100)] == ["confirmed"] * 100
        c.until("closed")
        c.process.wait()


def test_close_of_a_stalled_connection_takes_a_second(rabbit, proxy, name):
    with client(rabbit, proxy.port) as c:
        c.say("queue", name, "durable")
        c.until("up")
        proxy.swallow = True
        c.say("publish", "-", name, 3, 1000, "show")
        since = time.monotonic()
        c.say("close")
        assert [c.until("settled")["how"] for _ in range(3)] == ["lost"] * 3
        c.until("closed")
        assert 0.9 < time.monotonic() - since < 2
        c.process.wait()


# losing the connection


def test_broker_restart_under_load(rabbit, name):
    """TERM, and then KILL. A nack is a settlement too: the broker may give one while it goes down."""
    count = 20000
    with client(rabbit, window=500) as producer, client(rabbit) as consumer:
        consumer.say("queue", name, "quorum")
        consumer.say("consume", name, 200, "ack")
        consumer.until("up")
        producer.until("up")
        for turn, number in enumerate((signal.SIGTERM, signal.SIGKILL), 1):
            producer.say("publish", "-", name, count, 256)
            stats_when(producer, lambda s: settled(s) > (turn - 1) * count + 500)
            rabbit.end(number, 30)
            rabbit.start()
            s = stats_when(producer, lambda s: settled(s) == turn * count, 120)
            assert (s["confirmed"] + s["nacked"], s["most_settled"]) == (turn * count, 1)
            s = stats_when(consumer, lambda c: c["unique"] >= s["confirmed"], 120)
            assert s["corrupt"] == 0


def test_without_republish_what_was_sent_is_lost(rabbit, proxy, name):
    with client(rabbit, proxy.port, republish=0) as c:
        c.say("queue", name, "durable")
        c.until("up")
        proxy.swallow = True
        c.say("publish", "-", name, 10, 10)
        stats_when(c, lambda s: s["in_flight"] == 10)
        time.sleep(0.2)
        proxy.heal()
        proxy.cut()
        s = stats_when(c, lambda s: settled(s) == 10)
        assert (s["lost"], s["most_settled"]) == (10, 1)


def test_redelivery_counts_and_old_acks_are_dropped(rabbit, proxy, name):
    with client(rabbit, proxy.port) as c:
        c.say("queue", name, "quorum")
        c.say("consume", name, 10, "show")
        c.until("up")
        c.say("publish", "-", name, 1, 10)
        assert c.until("delivery")["delivery_count"] == -1
        proxy.cut()
        assert c.until("down")["kind"] == "retry"
        again = c.until("delivery")
        assert (again["redelivered"], again["delivery_count"]) == (True, 1)
        c.say("ackheld")  # both epochs'
        c.say("publish", "-", name, 1, 10)
        assert c.until("delivery")["n"] == 1
        assert stats(c)["up"]
        c.say("ackheld")


def test_second_endpoint(rabbit, proxy, name):
    dead = free_port()
    endpoints = f"127.0.0.1:{dead},127.0.0.1:{proxy.port},127.0.0.1:{rabbit.port}"
    with client(rabbit, endpoints=endpoints) as c:
        down = c.until("down")
        assert down["kind"] == "retry" and f"127.0.0.1:{dead}" in down["why"] and "refused" in down["why"]
        assert c.until("up")["endpoint"] == f"127.0.0.1:{proxy.port}"
        proxy.close()
        c.until("down")
        assert c.until("up")["endpoint"] == f"127.0.0.1:{rabbit.port}"
        c.say("queue", name, "exclusive")
        c.say("publish", "-", name, 1, 10, "mandatory", "show")
        assert c.until("settled")["how"] == "confirmed"


def test_queue_deleted_under_its_consumer(rabbit, name):
    with client(rabbit) as c:
        c.say("queue", name, "durable")
        c.say("consume", name, 10, "ack")
        c.until("up")
        rabbit.api("DELETE", "/api/queues/%2F/" + urllib.parse.quote(name, safe=""))
        assert c.until("cancelled")["queue"] == name
        assert name in c.until("down")["why"]
        c.until("up")
        c.say("publish", "-", name, 1, 10, "mandatory")
        stats_when(c, lambda s: s["unique"] == 1 and s["confirmed"] == 1)


def test_a_queue_that_answers_nothing_is_named(rabbit, name):
    """It holds up its whole channel, so what is up when it is asked does not stay up."""
    with client(rabbit) as c:
        c.say("queue", name + ".well", "quorum")
        c.say("queue", name + ".mute", "quorum")
        c.say("publish", "-", name + ".well", 1, 10)
        stats_when(c, lambda s: s["confirmed"] == 1)
    server = f"whereis(list_to_atom(\"%2F_{name}.mute\"))"
    rabbit.ctl("eval", f"sys:suspend({server}).")
    try:
        with client(rabbit, answer_timeout_ms=3000) as c:
            c.say("consume", name + ".well", 10, "ack")
            c.until("up")
            stats_when(c, lambda s: s["deliveries"] == 1)
            c.say("consume", name + ".mute", 10, "ack")
            assert f"to the consume of queue '{name}.mute'" in c.until("down")["why"]
            rabbit.ctl("eval", f"sys:resume({server}).")
            c.until("up")
            c.say("publish", "-", name + ".mute", 1, 10)
            stats_when(c, lambda s: s["deliveries"] == 2)
    finally:
        rabbit.ctl("eval", f"sys:resume({server}).")


def noticed_after(c, since):
    down = c.until("down", 4 * HEARTBEAT_MS / 1000)
    assert "said nothing" in down["why"]
    return down["at"] / 1000 - since


def test_black_hole_is_noticed(rabbit, proxy, name):
    with client(rabbit, proxy.port) as c:
        c.say("queue", name, "durable")
        c.until("up")
        time.sleep(1.3)
        proxy.swallow = True
        since = time.time()
        c.say("publish", "-", name, 5, 100000)
        assert noticed_after(c, since) <= 2 * HEARTBEAT_MS / 1000
        proxy.heal()
        s = stats_when(c, lambda s: s["confirmed"] == 5)
        assert s["most_settled"] == 1


def test_black_hole_in_the_middle_of_a_frame(rabbit, proxy, name):
    with client(rabbit) as other, client(rabbit, proxy.port) as c:
        c.say("queue", name, "durable")
        c.say("consume", name, 10, "ack")
        c.until("up")
        proxy.budget = 300000
        since = time.time()
        other.say("publish", "-", name, 1, 1000000)
        assert noticed_after(c, since) <= 2 * HEARTBEAT_MS / 1000 + 0.5  # the message is on its way for a while
        assert proxy.budget == 0
        proxy.heal()
        s = stats_when(c, lambda s: s["unique"] == 1)
        assert s["corrupt"] == 0


def test_broker_that_stands_still_is_noticed(rabbit, name):
    with client(rabbit) as c:
        c.say("queue", name, "durable")
        c.until("up")
        rabbit.signal(signal.SIGSTOP)
        since = time.time()
        c.say("publish", "-", name, 2000, 1000)
        assert noticed_after(c, since) <= 2 * HEARTBEAT_MS / 1000
        down = c.until("down")  # nor does a new connection get an answer; the kernel takes it, though
        assert "no connection within" in down["why"]
        rabbit.signal(signal.SIGCONT)
        s = stats_when(c, lambda s: s["confirmed"] == 2000)
        assert s["most_settled"] == 1


def test_idle_longer_than_two_heartbeats(rabbit, name):
    with client(rabbit, heartbeat_ms=1000) as c:
        c.say("queue", name, "exclusive")
        assert c.until("up")["epoch"] == 1
        time.sleep(3.5)
        c.say("publish", "-", name, 1, 10, "mandatory", "show")
        assert c.next()["how"] == "confirmed", "it was down in between"


def test_our_own_sleep_is_not_the_brokers(rabbit, name):
    with client(rabbit, heartbeat_ms=1000) as c:
        c.say("queue", name, "exclusive")
        c.until("up")
        c.process.send_signal(signal.SIGSTOP)
        time.sleep(1.9)  # the broker gives up on us after two
        c.process.send_signal(signal.SIGCONT)
        c.say("publish", "-", name, 1, 10, "mandatory", "show")
        assert c.next()["how"] == "confirmed", "it was down in between"


# alarms


def test_memory_alarm(rabbit, name):
    with client(rabbit, window=50, answer_timeout_ms=1000) as c:
        c.say("queue", name, "quorum")
        c.until("up")
        rabbit.ctl("set_vm_memory_high_watermark", "0.00001")
        try:
            c.say("publish", "-", name, 1000, 10000)
            blocked = c.until("blocked", 30)
            assert blocked["blocked"] and "memory" in blocked["reason"]
            s = stats_when(c, lambda s: s["busy"] > 0)
            assert s["in_flight"] == 50, "the bound is the window"
            c.say("consume", name, 100, "ack")  # nor is it an answer that is late: nobody reads the question
            time.sleep(2.5 * HEARTBEAT_MS / 1000)
            assert stats(c)["up"] and not stats(c)["downs"], "an alarm is not a lost connection"
        finally:
            rabbit.ctl("set_vm_memory_high_watermark", "0.4")
        assert not c.until("blocked", 30)["blocked"]
        s = stats_when(c, lambda s: settled(s) == 1000)
        assert (s["confirmed"], s["most_settled"]) == (1000, 1)
        stats_when(c, lambda s: s["unique"] == 1000)


# endurance


def test_soak_does_not_grow(rabbit, name, monkeypatch):
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1")
    with client(rabbit) as c:
        c.say("queue", name, "quorum")
        c.say("consume", name, 300, "ack")
        c.until("up")
        c.say("publish", "-", name, 20000, 512)
        before = stats_when(c, lambda s: s["unique"] == 20000, 120)
        c.say("publish", "-", name, 80000, 512)
        after = stats_when(c, lambda s: s["unique"] == 100000 and s["confirmed"] == 100000, 120)
        assert (after["corrupt"], after["most_settled"]) == (0, 1)
        assert after["rss_kib"] - before["rss_kib"] < 2048, json.dumps([before, after])
