"""og-gateway's webhooks: what ends is told, signed, again and again until it is taken, whoever is killed meanwhile."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from http.client import HTTPException
from pathlib import Path
from random import Random

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import BUILD, MODEL, Serving, ask, stub, stub_text  # noqa: E402, F401
from receiver import Receiver, verified  # noqa: E402
from services import wait_for  # noqa: E402

V1 = "/api/v1"
QUICK = ("gateway.webhooks_private=yes", "gateway.webhook_backoff=50ms", "gateway.webhook_attempts=4", "gateway.webhook_timeout=2s")
numbers = itertools.count()


@pytest.fixture(scope="module")
def rig(tmp_path_factory, stub):  # noqa: F811
    serving = Serving(tmp_path_factory.mktemp("gw") / "r", f"gw-{os.getpid()}", stub)
    yield serving.begin_with_keys(*QUICK)
    serving.close()


@pytest.fixture(scope="module")
def receiver():
    r = Receiver()
    yield r
    r.stop()


class Tenant:
    """One of its own for each test, with a webhook at the receiver."""

    def __init__(self, rig, receiver, *events, url=None):
        n = next(numbers)
        self.g, self.receiver, self.name, self.path = rig.one, receiver, f"tenant-{n}", f"/hook-{n}"
        self.key = self.new_key()
        self.headers = {"authorization": f"Bearer {self.key['secret']}"}
        made = self.post(f"{V1}/webhooks", {"url": url or receiver.url(self.path), **({"events": events} if events else {})})
        assert made.status == 201, made.body
        self.hook, self.secret = made.json["id"], made.json["secret"]

    def new_key(self, **more):
        made = self.g.post(f"{V1}/keys", {"name": f"of {self.name}", "tenant": self.name, **more})
        assert made.status == 201, made.body
        return made.json

    def post(self, path, body, at=None):
        return (at or self.g).post(path, body, headers=self.headers)

    def get(self, path, at=None):
        return (at or self.g).get(path, headers=self.headers)

    def respond(self, text, at=None, **more):
        made = self.post("/v1/responses", {"model": MODEL, "input": text, "background": True, **more}, at)
        assert made.status == 200 and made.json["status"] == "queued", made.body
        return made.json["id"]

    def job(self, text, at=None, **more):
        made = self.post(f"{V1}/jobs", ask(text, **more), at)
        assert made.status == 202, made.body
        return made.json["id"]

    def told(self, n, timeout=20):
        """The first n that came, each with a signature that is right."""
        wait_for(f"{n} deliveries at {self.path}", lambda: len(self.receiver.at(self.path)) >= n, timeout)
        return [verified(self.secret, d.headers, d.body) for d in self.receiver.at(self.path)[:n]]

    def deliveries(self, state, n=None, timeout=20, at=None):
        def listed():
            return self.get(f"{V1}/webhooks/{self.hook}/deliveries?state={state}", at).json["data"]

        if n is not None:
            wait_for(f"{n} to be {state}", lambda: len(listed()) == n, timeout)
        return listed()


def test_a_background_response_is_told_of_when_it_has_ended(rig, receiver):
    t = Tenant(rig, receiver)
    id = t.respond(stub_text(tokens=3))
    event = t.told(1)[0]
    assert event["object"] == "event" and event["type"] == "response.completed" and event["data"] == {"id": id}
    assert event["id"].startswith("evt_") and isinstance(event["created_at"], int)
    delivery = receiver.at(t.path)[0]
    assert delivery.headers["webhook-id"] == event["id"] and delivery.headers["content-type"] == "application/json"
    assert t.get(f"/v1/responses/{id}").json["status"] == "completed", "who is told can fetch it"
    done = t.deliveries("delivered", 1)[0]
    assert (done["state"], done["attempts"], done["last_status"], done["event"]) == ("delivered", 1, 200, event)
    assert t.deliveries("pending") == t.deliveries("failed") == []


def test_each_end_has_its_event(rig, receiver):
    t = Tenant(rig, receiver)
    long = t.respond(stub_text(tokens=500, pace_ms=50))
    made = [
        (t.respond(stub_text(tokens=2, finish="length")), "response.incomplete"),
        (t.respond(stub_text(status=400)), "response.failed"),
        (long, "response.cancelled"),
        (t.job(stub_text(tokens=2)), "job.done"),
        (t.job(stub_text(status=400)), "job.failed"),
        (t.job(stub_text(tokens=500, pace_ms=50), metadata={}), "job.cancelled"),
        (t.post(f"{V1}/jobs", {"request": ask(stub_text(tokens=500, pace_ms=50)), "deadline": "2s"}).json["id"], "job.expired"),
    ]
    assert t.post(f"/v1/responses/{long}/cancel", b"").json["status"] == "cancelled"
    assert t.post(f"{V1}/jobs/{made[5][0]}/cancel", b"").status == 200
    told = t.told(len(made), timeout=60)
    assert sorted((e["data"]["id"], e["type"]) for e in told) == sorted(made)
    t.deliveries("delivered", len(made))
    assert len(receiver.at(t.path)) == len(made), "each comes once"


def test_what_is_not_asked_for_is_not_told(rig, receiver):
    t = Tenant(rig, receiver, "response.failed", "job.done")
    t.respond(stub_text(tokens=1))
    t.post("/v1/responses", {"model": MODEL, "input": stub_text(tokens=1)})
    refused = t.post(f"{V1}/jobs", ask("x", model="none-such"))
    assert refused.status == 404
    job = t.job(stub_text(tokens=1))
    assert [e["data"]["id"] for e in t.told(1)] == [job]
    nobody = rig.one.get("/v1/models")  # a round trip later nothing else has come
    assert nobody.status == 200 and len(receiver.at(t.path)) == 1 and not t.deliveries("pending")


def test_a_key_that_is_sent_again(rig, receiver):
    """Neither a second request for a job that is refused takes the first one's event away, nor one that is answered tells it twice."""
    t = Tenant(rig, receiver)
    again = {**t.headers, "idempotency-key": "k"}
    asked = ask(stub_text(tokens=20, pace_ms=50))
    job = rig.one.post(f"{V1}/jobs", asked, headers=again).json["id"]
    refused = rig.one.post(f"{V1}/jobs", ask("another"), headers=again)
    assert refused.status == 400 and "in use" in refused.json["error"]["message"]
    assert t.told(1)[0]["data"]["id"] == job
    answered = rig.one.post(f"{V1}/jobs", asked, headers=again)
    assert (answered.status, answered.json["id"], answered.json["state"]) == (202, job, "done")
    fence = t.job(stub_text(tokens=1))
    assert [e["data"]["id"] for e in t.told(2)] == [job, fence]
    t.deliveries("delivered", 2)
    assert not t.deliveries("pending") and len(receiver.at(t.path)) == 2


def test_it_is_sent_until_it_is_taken(rig, receiver):
    t = Tenant(rig, receiver)
    receiver.tell(t.path, 500, (302, {"location": receiver.url("/elsewhere")}), 429, 204)
    job = t.job(stub_text(tokens=1))
    events = t.told(4)
    assert {e["id"] for e in events} == {events[0]["id"]} and events[0]["data"]["id"] == job
    assert len({d.body for d in receiver.at(t.path)}) == 1, "the same to the byte"
    assert t.deliveries("delivered", 1)[0]["attempts"] == 4 and not receiver.at("/elsewhere")


def test_what_fails_is_listed_and_can_be_sent_anew(rig, receiver):
    t = Tenant(rig, receiver)
    receiver.tell(t.path, 500, 500, 500, 503)
    job = t.job(stub_text(tokens=1))
    failed = t.deliveries("failed", 1)[0]
    assert (failed["attempts"], failed["last_status"], failed["last_error"]) == (4, 503, "it answered 503")
    assert failed["event"]["data"]["id"] == job and failed["next_attempt_at"] is None
    assert t.get(f"{V1}/webhooks/{t.hook}/deliveries").json["data"] == [failed], "the usual list"
    again = t.post(f"{V1}/webhooks/{t.hook}/deliveries/{failed['id']}/redeliver", b"")
    assert (again.status, again.json["state"], again.json["attempts"]) == (202, "pending", 0)
    t.told(5)
    assert t.deliveries("delivered", 1)[0]["id"] == failed["id"] and not t.deliveries("failed")
    twice = t.post(f"{V1}/webhooks/{t.hook}/deliveries/{failed['id']}/redeliver", b"")
    assert twice.status == 202, "also one that was taken"
    t.told(6)


def test_a_receiver_that_is_not_there_or_silent(rig, receiver):
    silent = Receiver()
    t = Tenant(rig, silent)
    silent.server.shutdown()  # the kernel takes the connection, nobody answers
    job = t.job(stub_text(tokens=1))
    wait_for("an attempt", lambda: any(d["attempts"] for d in t.deliveries("pending")), 20)
    waiting = t.deliveries("pending")[0]
    assert waiting["last_status"] is None and waiting["last_error"] and waiting["event"]["data"]["id"] == job
    silent.server.server_close()
    failed = t.deliveries("failed", 1, timeout=30)[0]
    assert failed["attempts"] == 4 and "connect" in failed["last_error"].lower()


def test_a_slow_receiver_holds_up_no_other_tenants(rig, receiver):
    slow, quick = Tenant(rig, receiver), Tenant(rig, receiver)
    free = threading.Event()

    def wait():
        free.wait(30)
        return 200

    receiver.tell(slow.path, *[wait] * 60)
    jobs = [slow.job(stub_text(tokens=1)) for _ in range(40)]
    wait_for("so many to be on their way as may be", lambda: len(receiver.at(slow.path)) >= 16, 20)
    job = quick.job(stub_text(tokens=1))
    assert quick.told(1)[0]["data"]["id"] == job
    free.set()
    wait_for("all of them to be told", lambda: {d.event["data"]["id"] for d in receiver.at(slow.path)} == set(jobs), 30)


def test_gone_disables_it(rig, receiver):
    t = Tenant(rig, receiver)
    receiver.tell(t.path, 410)
    t.job(stub_text(tokens=1))
    failed = t.deliveries("failed", 1)[0]
    assert (failed["attempts"], failed["last_status"]) == (1, 410)
    hook = f"{V1}/webhooks/{t.hook}"
    wait_for("it to be disabled", lambda: t.get(hook).json["enabled"] is False and t.get(hook).json["disabled_at"])
    assert t.post(f"{V1}/webhooks", {"url": receiver.url(t.path + "/other")}).status == 201
    t.job(stub_text(tokens=1))
    wait_for("the other to be told", lambda: receiver.at(t.path + "/other"))
    assert len(receiver.at(t.path)) == 1
    refused = t.post(f"{hook}/deliveries/{failed['id']}/redeliver", b"")
    assert (refused.status, refused.json["error"]["type"]) == (409, "conflict")
    assert t.post(f"{hook}/enable", b"").json["enabled"] is True
    assert t.post(f"{hook}/deliveries/{failed['id']}/redeliver", b"").status == 202
    assert t.told(2)[1]["id"] == failed["event"]["id"]


def test_a_new_secret_has_the_old_one_beside_it_for_a_day(rig, receiver):
    t = Tenant(rig, receiver)
    turned = t.post(f"{V1}/webhooks/{t.hook}/rotate", b"").json
    assert turned["secret"] != t.secret and "old_secret" not in turned and turned["old_secret_until"] > turned["created_at"]
    t.job(stub_text(tokens=1))
    t.told(1)
    delivery = receiver.at(t.path)[0]
    assert verified(turned["secret"], delivery.headers, delivery.body) == delivery.event
    assert "secret" not in t.get(f"{V1}/webhooks/{t.hook}").json


def test_two_who_rotate_at_once_are_one_after_the_other(rig, receiver):
    """Neither writes over what the other has written: of the two secrets one is the new one, the other the one before."""
    t = Tenant(rig, receiver)
    for n in range(1, 6):
        turned, both = [], threading.Barrier(2)

        def turn():
            both.wait(20)  # noqa: B023
            turned.append(t.post(f"{V1}/webhooks/{t.hook}/rotate", b"").json["secret"])  # noqa: B023

        threads = [threading.Thread(target=turn) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        t.job(stub_text(tokens=1))
        wait_for("it to be told", lambda: len(receiver.at(t.path)) == n, 20)  # noqa: B023
        delivery = receiver.at(t.path)[-1]
        assert [verified(secret, delivery.headers, delivery.body) for secret in turned] == [delivery.event] * 2


def store(rig, *words, who="gateway"):
    user, password = (rig.root / f"secrets/{who}.credentials").read_text().split()
    cli = ["redis-cli", "-s", str(rig.store.socket), "--no-auth-warning", "--user", user, "--pass", password]
    return subprocess.run([*cli, *map(str, words)], capture_output=True, text=True, timeout=20, check=True).stdout.strip()


class Crowd:
    """So many records of a kind that somebody has, as far as they are counted; all older than any that is real."""

    def __init__(self, rig, kind, owner, n):
        k = f"og:{rig.fleet.cluster.name}:{kind}"
        self.rig, self.key = rig, f"{k}s:{owner}"
        text = (
            "for i = 1, ARGV[2] do redis.call('ZADD', KEYS[1], 0, ARGV[1]..i) redis.call('HSET', KEYS[2], ARGV[1]..i, '0 '..ARGV[1]) end"
        )
        store(rig, "EVAL", text, 2, self.key, f"{k}_size", owner, n)

    def size(self):
        return int(store(self.rig, "ZCARD", self.key))

    def leave(self):
        store(self.rig, "DEL", self.key)


def test_one_for_which_many_wait_takes_nobodys_room(rig, receiver):
    """What is beyond is listed as failed at once, and can be sent anew when there is room."""
    t = Tenant(rig, receiver)
    assert t.post(f"{V1}/webhooks", {"url": receiver.url(t.path + "/other")}).status == 201
    crowd = Crowd(rig, "delivery", t.hook, 2000)
    job = t.job(stub_text(tokens=1))
    failed = t.deliveries("failed", 1)[0]
    assert (failed["state"], failed["attempts"], failed["next_attempt_at"], failed["event"]["data"]["id"]) == ("failed", 0, None, job)
    assert "2000 events wait for this webhook" in failed["last_error"]
    wait_for("the other to be told", lambda: len(receiver.at(t.path + "/other")) == 1, 20)
    again = f"{V1}/webhooks/{t.hook}/deliveries/{failed['id']}/redeliver"
    refused = t.post(again, b"")
    assert (refused.status, refused.json["error"]["type"]) == (409, "conflict") and "many events wait" in refused.json["error"]["message"]
    assert t.deliveries("failed") == [failed] and not receiver.at(t.path)
    crowd.leave()
    assert t.post(again, b"").status == 202
    assert t.told(1)[0]["data"]["id"] == job


def test_of_what_failed_each_keeps_its_last(rig, receiver):
    t = Tenant(rig, receiver)
    crowd = Crowd(rig, "undelivered", t.hook, 1000)
    receiver.tell(t.path, 410)
    t.job(stub_text(tokens=1))
    t.deliveries("failed", 1)
    assert crowd.size() == 1000


def test_a_tenant_has_so_many_ends_to_be_told_of(rig, receiver):
    t, other = Tenant(rig, receiver), Tenant(rig, receiver)
    crowd = Crowd(rig, "watch", t.name, 20000)
    refused = t.post(f"{V1}/jobs", ask(stub_text(tokens=1)))
    assert refused.json["error"]["type"] == "busy" and "20000 jobs and batches of this tenant" in refused.json["error"]["message"], refused.body
    job = other.job(stub_text(tokens=1))
    assert other.told(1)[0]["data"]["id"] == job
    crowd.leave()
    t.job(stub_text(tokens=1))
    t.told(1)


def test_they_are_their_tenants_alone(rig, receiver):
    red, blue = Tenant(rig, receiver), Tenant(rig, receiver)
    receiver.tell(red.path, 410)
    red.job(stub_text(tokens=1))
    failed = red.deliveries("failed", 1)[0]
    hook = f"{V1}/webhooks/{red.hook}"
    for method, path in (
        ("GET", hook), ("DELETE", hook), ("POST", f"{hook}/enable"), ("POST", f"{hook}/rotate"), ("GET", f"{hook}/deliveries"),
        ("POST", f"{hook}/deliveries/{failed['id']}/redeliver"), ("POST", f"{V1}/webhooks/{blue.hook}/deliveries/{failed['id']}/redeliver"),
    ):
        refused = rig.one.request(method, path, b"" if method == "POST" else None, headers=blue.headers)
        assert (refused.status, refused.json["error"]["type"]) == (404, "not_found"), path
    assert [h["id"] for h in blue.get(f"{V1}/webhooks").json["data"]] == [blue.hook]
    assert not receiver.at(blue.path)
    assert rig.one.request("DELETE", f"{V1}/keys/{red.key['id']}").status == 200
    wait_for("its key to count no longer", lambda: red.get(hook).status == 401, 10)


def test_what_is_removed_is_sent_no_more(rig, receiver):
    t = Tenant(rig, receiver)
    receiver.tell(t.path, 500, 500, 500)
    t.job(stub_text(tokens=1))
    t.told(1)
    assert rig.one.request("DELETE", f"{V1}/webhooks/{t.hook}", headers=t.headers).json["deleted"] is True
    assert t.get(f"{V1}/webhooks").json["data"] == [] and t.get(f"{V1}/webhooks/{t.hook}").status == 404
    t.job(stub_text(tokens=1))
    other = Tenant(rig, receiver)
    other.job(stub_text(tokens=1))
    other.told(1)
    assert len({d.headers["webhook-id"] for d in receiver.at(t.path)}) == 1, "nothing new has come"


def test_what_is_removed_takes_its_deliveries_with_it(rig, receiver):
    """Not only when they would be due: in the last hours that is 8 h away."""
    t, other = Tenant(rig, receiver), Tenant(rig, receiver)
    crowds = [Crowd(rig, kind, t.hook, 30) for kind in ("delivery", "delivered", "undelivered")]
    others = Crowd(rig, "delivery", other.hook, 1)
    assert rig.one.request("DELETE", f"{V1}/webhooks/{t.hook}", headers=other.headers).status == 404
    assert [c.size() for c in crowds] == [30] * 3
    assert rig.one.request("DELETE", f"{V1}/webhooks/{t.hook}", headers=t.headers).status == 200
    assert ([c.size() for c in crowds], others.size()) == ([0] * 3, 1)
    others.leave()


def test_what_is_wrong_is_named(rig, receiver):
    t = Tenant(rig, receiver)
    for body, word in (
        ({}, "url"), ({"url": "x"}, "url"), ({"url": "ftp://h/"}, "http"), ({"url": "http://a:b@h/"}, "password"), ({"url": 1}, "url"),
        ({"url": receiver.url("/"), "events": []}, "events"), ({"url": receiver.url("/"), "events": ["job.done", "job.flown"]}, "events: number 2"),
    ):
        refused = t.post(f"{V1}/webhooks", body)
        assert refused.status == 400 and word in refused.json["error"]["message"], body
    assert t.get(f"{V1}/webhooks/{t.hook}/deliveries?state=lost").status == 400
    for n in range(15):
        assert t.post(f"{V1}/webhooks", {"url": receiver.url(f"/{n}")}).status == 201
    refused = t.post(f"{V1}/webhooks", {"url": receiver.url("/17")})
    assert (refused.status, refused.json["error"]["type"]) == (409, "conflict")


def test_a_type_that_is_named_again_counts_once(rig, receiver):
    """All tenants' webhooks share a bound, and a list of one type a million times would be most of it."""
    t = Tenant(rig, receiver)
    made = t.post(f"{V1}/webhooks", {"url": receiver.url("/"), "events": ["job.done", "job.failed"] * 1000}).json
    assert made["events"] == ["job.done", "job.failed"]


def test_no_more_are_made_at_once_than_there_may_be(rig, receiver):
    t = Tenant(rig, receiver)
    made = []

    def make(n):
        made.append(t.post(f"{V1}/webhooks", {"url": receiver.url(f"/many-{n}")}).status)

    threads = [threading.Thread(target=make, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(made) == [201] * 15 + [409] * 25


def test_private_addresses_are_refused(rig, receiver):
    """When they are named, and again when the name leads there: a tenant cannot reach what the gateway can."""
    strict = rig.gateway("strict", "gateway.webhook_attempts=1", key=rig.one.key)
    port = receiver.server.server_port
    for host in ("127.0.0.1", "localhost", "[::1]", "10.1.2.3", "192.168.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"):
        refused = strict.post(f"{V1}/webhooks", {"url": f"http://{host}:{port}/x"})
        assert refused.status == 400 and "gateway.webhooks_private" in refused.json["error"]["message"], (host, refused.body)
    unknown = strict.post(f"{V1}/webhooks", {"url": "http://no-such-host.invalid/"})
    assert unknown.status == 400 and "no-such-host.invalid" in unknown.json["error"]["message"]
    t = Tenant(rig, receiver, "job.done")  # made where it is allowed, and what ends is sent from where it is not
    rig.one.stop()
    try:
        job = t.job(stub_text(tokens=1), at=strict)
        failed = t.deliveries("failed", 1, at=strict)[0]
        assert failed["event"]["data"]["id"] == job and failed["last_status"] is None
        assert "gateway.webhooks_private" in failed["last_error"] and not receiver.at(t.path)
    finally:
        strict.stop()
        rig.one.start()


def og(rig, *words, expect=0):
    done = subprocess.run([BUILD / "og", "webhooks", *words], env=rig.fleet.environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_operators_look_after_them_with_og(rig, receiver):
    t = Tenant(rig, receiver)
    of = ("--tenant", t.name)
    made = og(rig, "create", receiver.url(t.path + "/og"), "--event", "job.done", *of)
    secret = made.stdout.strip()
    assert secret.startswith("whsec_") and "only time" in made.stderr
    hook = next(h["id"] for h in json.loads(og(rig, "list", *of, "--json").stdout)["webhooks"] if h["id"] != t.hook)
    assert hook in og(rig, "list", *of).stdout and hook not in og(rig, "list").stdout
    turned = og(rig, "rotate", hook, *of).stdout.strip()
    receiver.tell(t.path + "/og", 410)
    job = t.job(stub_text(tokens=1))
    wait_for("it to be disabled", lambda: "disabled" in og(rig, "list", *of).stdout, 20)
    for valid in (secret, turned):
        assert verified(valid, receiver.at(t.path + "/og")[0].headers, receiver.at(t.path + "/og")[0].body)["data"]["id"] == job
    failed = og(rig, "deliveries", hook, *of).stdout
    assert "it answered 410" in failed and job in failed
    delivery = json.loads(og(rig, "deliveries", hook, *of, "--json").stdout)["deliveries"][0]["id"]
    assert "is disabled" in og(rig, "redeliver", hook, delivery, *of, expect=6).stderr
    og(rig, "enable", hook, *of)
    og(rig, "redeliver", hook, delivery, *of)
    wait_for("it to come anew", lambda: len(receiver.at(t.path + "/og")) == 2)
    wait_for("it to be delivered", lambda: job in og(rig, "deliveries", hook, "--state", "delivered", *of).stdout)
    og(rig, "remove", hook, *of)
    for words, said in (
        (("remove", hook, *of), "no webhook"), (("deliveries", t.hook), "no webhook"), (("create", "ftp://x"), "http"), (("create",), "where to"),
        (("deliveries", t.hook, *of, "--state", "lost"), "none of failed"), (("redeliver", t.hook, "del_x", *of), "no delivery"), (("burn",), "none of list"),
    ):
        assert said in og(rig, *words, expect=2).stderr, words


# ── while the store is away ──


def test_a_store_that_takes_no_more_loses_nothing(rig, receiver):
    """It refuses what is written, and would let go of what is removed."""
    t = Tenant(rig, receiver)
    most = store(rig, "CONFIG", "GET", "maxmemory", who="store-admin").split()[1]

    def fill():
        store(rig, "CONFIG", "SET", "maxmemory", 1, who="store-admin")
        return 500

    receiver.tell(t.path, 500, 500, 500, fill)
    job = t.job(stub_text(tokens=1))
    try:
        wait_for("the last attempt", lambda: re.search(rf"webhook={t.hook} .*attempts=4 ", rig.one.text()), 20)
        t.get(f"{V1}/webhooks/{t.hook}")  # behind what was written then
    finally:
        store(rig, "CONFIG", "SET", "maxmemory", most, who="store-admin")
    (kept,) = t.deliveries("pending")
    assert kept["event"]["data"]["id"] == job and kept["attempts"] == 3, "it comes again"


def test_without_the_store_nothing_runs_untold(rig, receiver):
    """Its keys are remembered for a while, and so is who has webhooks."""
    t, other = Tenant(rig, receiver), rig.one.post(f"{V1}/keys", {"name": "o", "tenant": "has-none"}).json
    t.job(stub_text(tokens=1))
    t.told(1)
    without = {"authorization": f"Bearer {other['secret']}"}
    assert rig.one.post(f"{V1}/jobs", ask(stub_text(tokens=1)), headers=without).status == 202
    rig.store.end(signal.SIGKILL, 5)
    try:
        wait_for("it to be missed", lambda: rig.one.control()["gateway"]["store"] is False, 10)
        refused = t.post(f"{V1}/jobs", ask("x"))
        assert refused.status == 503 and refused.headers["retry-after"]
        assert rig.one.post(f"{V1}/jobs", ask(stub_text(tokens=1)), headers=without).status == 202
    finally:
        rig.start_store()
    wait_for("it to be back", lambda: rig.one.control()["gateway"]["store"], 20)
    job = t.job(stub_text(tokens=1))
    assert t.told(2)[1]["data"]["id"] == job


def test_the_store_is_killed_with_a_delivery_in_it(rig, receiver):
    t = Tenant(rig, receiver)
    receiver.tell(t.path, 500)
    job = t.job("slow " + stub_text(tokens=20, pace_ms=50))
    rig.store.end(signal.SIGKILL, 5)
    wait_for("the end", lambda: [r["finished"] for r in rig.stub.requests("slow ")] == [True], 20)
    rig.start_store()
    assert [e["data"]["id"] for e in t.told(2, timeout=60)] == [job] * 2
    assert t.deliveries("delivered", 1)[0]["attempts"] == 2


# ── whoever is killed ──


@pytest.fixture
def two(rig):
    """A second gateway beside the first, which is there for the end of what the second began."""
    second = rig.gateway(f"second-{next(numbers)}", *QUICK, key=rig.one.key)
    yield second
    second.stop()


def test_the_gateway_that_submitted_is_killed_while_its_jobs_run(rig, receiver, two):
    t = Tenant(rig, receiver)
    response, job = t.respond(stub_text(tokens=20, pace_ms=100), at=two), t.job(stub_text(tokens=20, pace_ms=100), at=two)
    two.end(signal.SIGKILL, 5)
    assert {(e["data"]["id"], e["type"]) for e in t.told(2, timeout=40)} == {(response, "response.completed"), (job, "job.done")}
    t.deliveries("delivered", 2)
    assert len(receiver.at(t.path)) == 2


def test_all_gateways_are_killed_between_the_end_and_the_delivery(rig, receiver, two):
    """Nobody is there when it ends, nor for a while after."""
    t = Tenant(rig, receiver)
    job = t.job("nobody there " + stub_text(tokens=10, pace_ms=100), at=two)
    rig.one.end(signal.SIGKILL, 5)
    two.end(signal.SIGKILL, 5)
    try:
        wait_for("the end", lambda: [r["finished"] for r in rig.stub.requests("nobody there")] == [True], 20)
        assert not receiver.at(t.path)
    finally:
        rig.one.start()
    assert t.told(1, timeout=40)[0]["data"]["id"] == job


def test_a_gateway_killed_while_it_delivers_is_taken_over(rig, receiver, two):
    """Its attempt is nobody's until its lease has run out; then another one sends it again."""
    t = Tenant(rig, receiver)
    rig.one.end(signal.SIGKILL, 5)
    try:
        killed = []

        def kill():
            killed.append(two.process.pid)
            two.end(signal.SIGKILL, 5)
            return 200  # nobody hears it

        receiver.tell(t.path, kill)
        job = t.job(stub_text(tokens=1), at=two)
        wait_for("the first to be killed", lambda: killed, 20)
    finally:
        rig.one.start()
    events = t.told(2, timeout=60)
    assert events[0] == events[1] and events[0]["data"]["id"] == job
    assert t.deliveries("delivered", 1)[0]["attempts"] == 1 and len(receiver.at(t.path)) == 2


def test_none_is_lost_whatever_is_killed_when(rig, receiver, two):
    """Gateways are killed and come back again and again while jobs are submitted, end, and are told of."""
    t, random = Tenant(rig, receiver), Random(7)
    acknowledged, over = [], threading.Event()

    def submit():
        while not over.is_set():
            try:
                made = t.post(f"{V1}/jobs", ask(stub_text(tokens=random.randrange(1, 8), pace_ms=20)), random.choice((rig.one, two)))
                if made.status == 202:
                    acknowledged.append(made.json["id"])
            except (OSError, HTTPException):  # killed under its hands: nobody was told of a job
                time.sleep(0.02)

    submitter = threading.Thread(target=submit)
    submitter.start()
    try:
        for _ in range(8):
            victim, n = random.choice((rig.one, two)), len(acknowledged)
            wait_for("some more to be taken", lambda: len(acknowledged) > n + random.randrange(20), 30)  # noqa: B023
            victim.end(signal.SIGKILL, 5)
            victim.start()
    finally:
        over.set()
        submitter.join()
    assert len(acknowledged) > 50

    def missing():
        return set(acknowledged) - {d.event["data"]["id"] for d in receiver.at(t.path)}

    wait_for("all to be told", lambda: not missing(), 120)
    told = t.told(len(receiver.at(t.path)))
    assert {e["type"] for e in told if e["data"]["id"] in acknowledged} == {"job.done"}


def test_what_never_came_to_be_is_told_as_failed(rig, receiver):
    """A gateway that died when it had written the watch, and not yet sent the job: it is looked for in vain, for a while."""
    t = Tenant(rig, receiver)
    known = t.job(stub_text(tokens=1))  # the store is as after it, but for what is planted
    assert t.told(1)[0]["data"]["id"] == known

    def plant(**more):
        id, k = str(uuid.uuid4()), f"og:{rig.fleet.cluster.name}:watch"
        text = json.dumps({"id": id, "tenant": t.name, "of": "job", "made_ms": 1, **more})
        store(rig, "SET", f"{k}:{id}", text)
        store(rig, "HSET", f"{k}_size", id, f"{len(text)} {t.name}")
        store(rig, "ZADD", f"{k}s", "+inf", id)
        store(rig, "ZADD", f"{k}_due", 0, id)
        return id, f"{k}:{id}"

    _, young = plant()
    lost, _ = plant(unknown=4, unknown_since_ms=1)
    event = t.told(2)[1]
    assert (event["data"]["id"], event["type"]) == (lost, "job.failed")
    wait_for("the other to be looked for once", lambda: json.loads(store(rig, "GET", young)).get("unknown") == 1, 20)
    assert len(receiver.at(t.path)) == 2, "once is not enough"


def test_several_gateways_send_each_once(rig, receiver, two):
    t = Tenant(rig, receiver)
    jobs = [t.job(stub_text(tokens=1), at=at) for _ in range(20) for at in (rig.one, two)]
    assert sorted(e["data"]["id"] for e in t.told(40, timeout=60)) == sorted(jobs)
    t.deliveries("delivered", 20)  # a page
    assert len(receiver.at(t.path)) == 40


# ── batches ──


def batch(t, lines, **more):
    form = 'Content-Disposition: form-data; name="'
    text = "\n".join(json.dumps({"custom_id": str(n), "method": "POST", "url": "/v1/chat/completions", "body": ask(l)}) for n, l in enumerate(lines))
    body = f'--7d1e9\r\n{form}purpose"\r\n\r\nbatch\r\n--7d1e9\r\n{form}file"; filename="b"\r\n\r\n{text}\n\r\n--7d1e9--\r\n'
    sent = t.g.post("/v1/files", body.encode(), headers={**t.headers, "content-type": "multipart/form-data; boundary=7d1e9"})
    made = t.post("/v1/batches", {"input_file_id": sent.json["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h", **more})
    assert made.status == 200, made.body
    return made.json["id"]


def test_batches(rig, receiver):
    t = Tenant(rig, receiver)
    slow = stub_text(tokens=500, pace_ms=50)
    done, empty, cancelled = batch(t, [stub_text(tokens=1)] * 3), batch(t, []), batch(t, [slow])
    expired = batch(t, [slow], completion_window="2s")
    wait_for("it to run", lambda: t.get(f"/v1/batches/{cancelled}").json["status"] == "in_progress", 20)
    assert t.post(f"/v1/batches/{cancelled}/cancel", b"").status == 200
    want = {(done, "batch.completed"), (empty, "batch.failed"), (cancelled, "batch.cancelled"), (expired, "batch.expired")}
    assert {(e["data"]["id"], e["type"]) for e in t.told(4, timeout=60)} == want
