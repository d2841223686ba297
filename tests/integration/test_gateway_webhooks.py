"""og-gateway's webhooks: what ends is told, signed, again and again until it is taken."""

import json
import subprocess
import sys
import threading
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import BUILD, MODEL, ask, stub, stub_text  # noqa: E402, F401
from receiver import Receiver, verified  # noqa: E402
from services import wait_for  # noqa: E402
from webhook_rig import V1, Tenant, receiver, rig, store  # noqa: E402, F401


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
