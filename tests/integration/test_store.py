"""The ledger of the gateways' store on a real Redis that writes before it answers: limits, each job once, usage; and what is left when a
gateway or the store dies between two steps."""

import itertools
import re
import time
import uuid

import pytest
from store_rig import NOON, PREFIX, Gateway, gateway, redis  # noqa: F401


# ---- limits ----


def limited(gateway, tenant=None, **limits):
    """A key with these limits, looked up; the clock stands still."""
    gateway.tell("clock", ms=NOON)
    if tenant:
        gateway.admin("tenants_set", name="acme", **tenant)
    key = gateway.new_key(tenant="acme", **limits)
    gateway.call("key", secret=key["secret"])
    return key["id"]


def test_requests_a_minute(gateway):
    limited(gateway, requests_per_minute=3)
    assert [gateway.reserve()["refused"] for _ in range(4)] == ["", "", "", "requests_per_minute"]
    answer = gateway.reserve()
    assert (answer["limit"], answer["retry_after_s"], answer["of_tenant"]) == (3, 20, False)
    assert answer["words"] == "this key's limit of 3 requests a minute is reached"
    gateway.tell("clock", ms=NOON + 20000)
    assert [gateway.reserve()["refused"] for _ in range(2)] == ["", "requests_per_minute"]


def test_tokens_a_minute_are_what_was_used_in_the_end(gateway):
    limited(gateway, tenant={"tokens_per_minute": 100})
    job = str(uuid.uuid4())
    assert gateway.reserve(90, job)["refused"] == ""
    answer = gateway.reserve(20)
    assert (answer["refused"], answer["of_tenant"], answer["retry_after_s"]) == ("tokens_per_minute", True, 6)
    gateway.settle(job, 20, 10)  # 60 come back
    assert gateway.reserve(70)["refused"] == ""
    assert gateway.reserve(1)["refused"] == "tokens_per_minute"


def test_a_request_above_the_minutes_tokens_goes_when_nothing_was_used_and_is_worked_off(gateway):
    limited(gateway, tokens_per_minute=100)
    assert gateway.reserve(300)["refused"] == ""
    answer = gateway.reserve(100)
    assert (answer["refused"], answer["retry_after_s"]) == ("tokens_per_minute", 180)
    gateway.tell("clock", ms=NOON + 179000)
    assert gateway.reserve(100)["refused"] == "tokens_per_minute"
    gateway.tell("clock", ms=NOON + 180000)
    assert gateway.reserve(300)["refused"] == ""


def test_running_at_once(gateway):
    limited(gateway, running=2)
    jobs = [str(uuid.uuid4()) for _ in range(3)]
    assert [gateway.reserve(10, j)["refused"] for j in jobs] == ["", "", "running"]
    gateway.settle(jobs[0])
    assert gateway.reserve(10, jobs[2])["refused"] == ""
    gateway.refund(jobs[1])
    assert [gateway.reserve()["refused"] for _ in range(2)] == ["", "running"]


@pytest.mark.parametrize("per, retry_after", [("day", 43200), ("month", 7 * 86400 + 43200), ("total", 0)])
def test_a_budget(gateway, per, retry_after):
    limited(gateway, budget=100, budget_per=per)
    job, other = str(uuid.uuid4()), str(uuid.uuid4())
    assert gateway.reserve(60, job)["refused"] == ""
    answer = gateway.reserve(60, other)
    assert (answer["refused"], answer["retry_after_s"]) == ("budget", 5), "what is reserved may come back"
    gateway.settle(job, 50, 30)
    answer = gateway.reserve(60, other)
    assert (answer["refused"], answer["retry_after_s"], answer["limit"]) == ("budget", retry_after, 100)
    assert gateway.reserve(20)["refused"] == ""
    if retry_after:
        gateway.tell("clock", ms=NOON + retry_after * 1000)
        assert gateway.reserve(60, other)["refused"] == "", "what is still reserved counts, what was used does not"


def test_a_budget_that_is_set_later_counts_what_was_used_before(gateway):
    key = limited(gateway)
    gateway.settle(str(uuid.uuid4()), 50, 30)
    gateway.admin("tenants_set", name="acme", budget=100, budget_per="month")
    assert gateway.reserve(30)["refused"] == "budget"
    assert gateway.reserve(20)["refused"] == ""
    assert key


def test_a_refused_request_books_nothing(gateway, redis):
    key = limited(gateway, tenant={"running": 1}, requests_per_minute=100)
    gateway.reserve()
    before = redis.meter(f"k:{key}")
    assert gateway.reserve()["refused"] == "running"
    assert redis.meter(f"k:{key}") == before


def test_a_revoked_key_reserves_nothing(gateway):
    key = limited(gateway, running=5)
    gateway.admin("keys_revoke", id=key)
    answer = gateway.call("reserve", job=str(uuid.uuid4()), tokens=1)
    assert answer["error"] == "invalid" and "revoked" in answer["message"]


# ---- each once, in any order ----


def used(gateway, **filters):
    day = time.strftime("%Y-%m-%d", time.gmtime(NOON / 1000))
    rows = gateway.admin("usage", since=day, until=day, **filters)["usage"]
    return sum(r["requests"] for r in rows), sum(r["prompt_tokens"] for r in rows), sum(r["completion_tokens"] for r in rows)


def test_all_orders_and_repetitions_come_to_the_same(gateway, redis):
    """Reserve first, then every sequence of three of the four words: a settle counts once, and the place is freed once."""
    key = limited(gateway, running=100, tokens_per_minute=100000)
    settled = 0
    for sequence in itertools.product("srR", repeat=3):  # settle, refund, reserve again
        job = str(uuid.uuid4())
        state, holders, known = "open", 1, True  # known: here, of the one that holds it last
        gateway.reserve(100, job)
        for word in sequence:
            if word == "s":
                gateway.settle(job)
                settled += state in ("open", "refunded")
                state, known = "settled", False
            elif word == "r":
                gateway.refund(job)
                if state == "open":
                    holders, known = (holders - 1, holders > 1) if known else (0, False)
                    state = "open" if holders else "refunded"
            else:
                gateway.reserve(100, job)
                state, holders, known = "open", holders + 1 if state == "open" else 1, True
        while state == "open":
            gateway.refund(job)
            holders -= 1
            state = "open" if holders else "refunded"
    meter = redis.meter(f"k:{key}")
    assert (meter["jobs"], meter["held"]) == ("0", "0")
    assert used(gateway) == (settled, 3 * settled, 4 * settled)
    assert int(meter["total"]) == 7 * settled == int(redis.meter("t:acme")["total"])
    assert float(meter["t"]) == 100000 - 7 * settled


def test_without_limits_a_settle_is_enough_and_counts_once(gateway):
    limited(gateway)
    job = str(uuid.uuid4())
    for _ in range(3):
        gateway.settle(job, model="")
    assert used(gateway) == (1, 3, 4)
    gateway.settle(str(uuid.uuid4()), replayed=True)
    assert used(gateway) == (1, 3, 4), "what was not run for it is not counted"


def scripts_run(redis):
    return int(re.search(r"cmdstat_evalsha:calls=(\d+)", redis.ask("INFO", "commandstats"))[1])


def test_what_ends_at_once_is_told_in_few_calls_each_for_itself(gateway, redis):
    """Kept and given back, twice told and for several keys; what ended before a question is in its answer."""
    keys = [limited(gateway) for _ in range(3)]
    jobs = [str(uuid.uuid4()) for _ in range(300)]
    began = scripts_run(redis)
    for n, job in enumerate(jobs + jobs[:100]):
        gateway.tell("settle", job=job, model=f"m{n % 2}", prompt=3, completion=4, key=keys[n % 3], tenant="acme")
    assert used(gateway) == (300, 900, 1200)
    assert scripts_run(redis) - began < 60
    assert used(gateway, key=keys[0], model="m1") == (50, 150, 200)
    gateway.call("key", secret=gateway.new_key(tenant="acme", budget=100)["secret"])
    assert [gateway.reserve(40, job)["refused"] for job in jobs[:3]] == ["", "", "budget"]
    gateway.tell("settle", job=jobs[0], model="m", prompt=10, completion=10)
    gateway.tell("refund", job=jobs[1])
    assert gateway.reserve(80, jobs[2])["refused"] == "", "what ended frees its place before the next one asks"


@pytest.mark.parametrize("replayed", [False, True])
def test_without_limits_too_who_stays_pays_what_who_left_did_not(gateway, replayed):
    """Two requests of one idempotency key: it ran for the first, whose client left."""
    limited(gateway)
    for first, total in (((1, 1), (3, 40)), ((9, 1), (9, 40)), ((0, 0), (3, 40))):
        before, job = used(gateway), str(uuid.uuid4())
        for _ in range(2):
            gateway.settle(job, *first, left=True)
            assert used(gateway) == (before[0] + 1, before[1] + first[0], before[2] + first[1])
        for _ in range(2):
            gateway.settle(job, 3, 40, replayed=replayed)
            gateway.settle(job, *first, left=True)
            assert used(gateway) == (before[0] + 1, before[1] + total[0], before[2] + total[1]), first


def test_an_answer_that_is_replayed_costs_nothing_unless_its_first_gateway_died(gateway, redis):
    key = limited(gateway, running=10)
    job = str(uuid.uuid4())
    gateway.reserve(50, job)
    gateway.settle(job)
    gateway.reserve(50, job)
    gateway.settle(job, replayed=True)
    assert used(gateway) == (1, 3, 4) and redis.meter(f"k:{key}")["jobs"] == "0"
    orphan = str(uuid.uuid4())
    other = Gateway(redis)
    other.tell("clock", ms=NOON)
    other.call("key", secret=gateway.admin("keys_rotate", id=key)["secret"])
    other.reserve(50, orphan)
    other.kill()
    gateway.reserve(50, orphan)
    gateway.settle(orphan, replayed=True)
    assert used(gateway) == (2, 6, 8) and redis.meter(f"k:{key}")["jobs"] == "0"


def test_who_shares_a_job_frees_no_place_while_another_holds_it(gateway, redis):
    """The same idempotency key twice: the second is refused (another body), or its client leaves at once."""
    key = limited(gateway, running=1)
    for away in ("refund", "left"):
        job = str(uuid.uuid4())
        other = Gateway(redis)
        other.tell("clock", ms=NOON)
        other.call("key", secret=gateway.admin("keys_rotate", id=key, grace_ms=60000)["secret"])
        for g in (gateway, gateway, other):
            assert g.reserve(50, job)["refused"] == ""
        for g in (gateway, other):
            g.refund(job) if away == "refund" else g.settle(job, 1, 1, left=True)
            assert gateway.reserve()["refused"] == "running" and redis.meter(f"k:{key}")["jobs"] == "1"
        before = used(gateway)
        gateway.settle(job, 3, 40)
        assert used(gateway) == (before[0] + 1, before[1] + 3, before[2] + 40), "and it is counted as what it was"
        assert redis.meter(f"k:{key}")["jobs"] == "0"
        other.kill()


def test_usage_is_summed_as_it_is_asked_for(gateway):
    gateway.tell("clock", ms=NOON)
    ids = []
    for tenant in ("a", "b"):
        key = gateway.new_key(tenant=tenant)
        gateway.call("key", secret=key["secret"])
        ids.append(key["id"])
        for model in ("m1", "m2", "m2"):
            gateway.settle(str(uuid.uuid4()), model=model)
    gateway.tell("clock", ms=NOON + 86400000)
    gateway.settle(str(uuid.uuid4()), model="m1")
    two = {"since": "2026-09-23", "until": "2026-09-24"}
    assert gateway.admin("usage", by=["tenant"], **two)["usage"] == [
        {"tenant": "a", "requests": 3, "prompt_tokens": 9, "completion_tokens": 12},
        {"tenant": "b", "requests": 4, "prompt_tokens": 12, "completion_tokens": 16},
    ]
    assert [(r["day"], r["requests"]) for r in gateway.admin("usage", by=["day"], **two)["usage"]] == [
        ("2026-09-23", 6),
        ("2026-09-24", 1),
    ]
    rows = gateway.admin("usage", key=ids[1], model="m2", **two)["usage"]
    assert rows == [
        {"day": "2026-09-23", "tenant": "b", "key": ids[1], "model": "m2", "requests": 2, "prompt_tokens": 6, "completion_tokens": 8}
    ]
    page = gateway.admin("usage", limit=2, **two)
    assert len(page["usage"]) == 2 and page["next"] == 2
    assert len(gateway.admin("usage", limit=2, **two, **{"from": 4})["usage"]) == 1


# ---- deaths ----


def test_what_a_killed_gateway_reserved_is_shown_to_another_which_settles_it(redis):
    with Gateway(redis, 600) as living:
        key = living.new_key(tenant="acme", running=2)
        dying = Gateway(redis, 600)
        dying.call("key", secret=key["secret"])
        ran, never = str(uuid.uuid4()), str(uuid.uuid4())
        assert [dying.reserve(50, j)["refused"] for j in (ran, never)] == ["", ""]
        living.call("key", secret=key["secret"])
        assert living.reserve()["refused"] == "running"
        dying.kill()
        killed = time.monotonic()
        orphans = living.until("orphans")["orphans"]
        assert {o["job"] for o in orphans} == {ran, never} and time.monotonic() - killed < 2
        assert all((o["key"], o["tenant"], o["tokens"]) == (key["id"], "acme", 50) for o in orphans)
        living.settle(ran, 5, 6, key=key["id"], tenant="acme")
        living.refund(never)
        assert redis.meter("t:acme")["jobs"] == "0" and redis.meter("t:acme")["total"] == "11"
        assert [living.reserve()["refused"] for _ in range(3)] == ["", "", "running"]


def test_a_living_gateways_reservations_are_nobodys_orphans(redis):
    with Gateway(redis, 600) as one, Gateway(redis, 600) as other:
        key = one.new_key(running=2)
        one.call("key", secret=key["secret"])
        assert one.reserve()["refused"] == ""
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            assert one.call("idle")["event"] == "idle"
            time.sleep(0.1)
        other.tell("ping")
        assert other.next()["event"] == "ping", "no orphans were told"


def test_a_store_that_is_killed_has_what_it_answered(gateway, redis):
    """SIGKILL at any moment: what was answered is there again, what was not was not booked twice."""
    key = limited(gateway, running=1000)
    jobs = [str(uuid.uuid4()) for _ in range(200)]
    for job in jobs:
        gateway.tell("reserve", job=job, tokens=10)
    answered = [gateway.until("reserved") for _ in range(50)]
    redis.kill()
    answered += [gateway.until("reserved") for _ in range(150)]
    booked = {a["job"] for a in answered if a.get("refused") == ""}
    assert all(a.get("error") == "retry" for a in answered if a["job"] not in booked)
    assert booked
    redis.start()
    gateway.until("up")
    gateway.flush()  # what had no answer is taken back
    assert set(redis.ask("ZRANGE", PREFIX + "leases", 0, -1)) == booked
    meter = redis.meter(f"k:{key}")
    assert int(meter["jobs"]) == len(booked) and int(meter["held"]) == 10 * len(booked)


def test_what_is_settled_while_the_store_is_away_is_counted_once_when_it_is_back(gateway, redis):
    key = limited(gateway, running=10)
    jobs = [str(uuid.uuid4()) for _ in range(8)]
    for job in jobs:
        gateway.reserve(10, job)
    redis.kill()
    gateway.until("down")
    for job in jobs:
        gateway.tell("settle", job=job, model="m", prompt=3, completion=4)
        gateway.tell("settle", job=job, model="m", prompt=3, completion=4)
    answer = gateway.call("reserve", job=str(uuid.uuid4()), tokens=1)
    assert answer["error"] == "retry"
    assert gateway.call("key", secret="og-" + "b" * 43)["error"] == "retry", "away is no word about a key"
    assert gateway.call("ping")["error"] == "retry"
    redis.start()
    gateway.until("up")
    gateway.flush()
    assert redis.meter(f"k:{key}")["jobs"] == "0"
    assert used(gateway) == (8, 24, 32)
    assert gateway.call("idle")["lost"] == 0


def test_settles_survive_a_store_that_dies_again_and_again(redis):
    """Each is counted once, whether its answer was lost or its request."""
    with Gateway(redis) as gateway:
        gateway.tell("clock", ms=NOON)
        key = gateway.new_key(running=100000)
        gateway.call("key", secret=key["secret"])
        jobs = [str(uuid.uuid4()) for _ in range(600)]
        for i, job in enumerate(jobs):
            gateway.tell("settle", job=job, model="m", prompt=1, completion=1)
            if i % 200 == 100:
                redis.kill()
                redis.start()
        gateway.flush()
        assert used(gateway) == (600, 600, 600)


def test_limits_hold_between_gateways_that_ask_at_once(redis):
    gateways = [Gateway(redis) for _ in range(3)]
    key = gateways[0].new_key(running=7)
    for g in gateways:
        g.call("key", secret=key["secret"])
    for g in gateways:
        for _ in range(20):
            g.tell("reserve", job=str(uuid.uuid4()), tokens=1)
    answers = [g.until("reserved")["refused"] for g in gateways for _ in range(20)]
    assert sorted(set(answers)) == ["", "running"] and answers.count("") == 7
    for g in gateways:
        g.close()
