"""The gateways' store on a real Redis that writes before it answers: keys, tenants, limits, the ledger, usage; and what is left when a
gateway or the store dies between two steps."""

import hashlib
import itertools
import json
import signal
import socket
import time
import uuid

import pytest
from driver import Driver
from services import Redis, wait_for

PREFIX = "og:st:"
NOON = 1790164800000  # 2026-09-23, 12:00 UTC


class Gateway(Driver):
    """One process's store."""

    def __init__(self, redis, lease_ms=30000, up=True):
        super().__init__("store_driver", f"unix:{redis.socket}", "", "", "st", lease_ms)
        if up:
            self.until("up")

    def tell(self, do, **more):
        self.say(json.dumps({"do": do, **more}))

    def call(self, do, timeout=10, **more):
        """The answer to one command, which has its name (or the one it is given)."""
        self.tell(do, **more)
        return self.until({"reserve": "reserved"}.get(do, do), timeout)

    def admin(self, verb, **request):
        event = self.call("admin", verb=verb, request=request)
        return event.get("answer", event)

    def new_key(self, **request):
        answer = self.admin("keys_create", name=request.pop("name", "k"), **request)
        assert "secret" in answer, answer
        return answer

    def reserve(self, tokens=10, job=None):
        """"" where it was booked, or the limit that refused it."""
        return self.call("reserve", job=job or str(uuid.uuid4()), tokens=tokens)

    def settle(self, job, prompt=3, completion=4, model="m", **more):
        self.tell("settle", job=job, model=model, prompt=prompt, completion=completion, **more)
        self.flush()

    def refund(self, job):
        self.tell("refund", job=job)
        self.flush()

    def flush(self):
        wait_for("the ledger", lambda: self.call("idle")["idle"], 10, self.process)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.tell("close")
            self.until("closed")
        assert self.process.wait(10) == 0


class Store(Redis):
    """Settings as og-broker-config renders them, without users."""

    def __init__(self, folder):
        super().__init__(folder, ["--appendfsync", "always"])

    def ask(self, *words):
        with socket.create_connection(("127.0.0.1", self.port), 5) as s:
            f = s.makefile("rwb")
            f.write(f"*{len(words)}\r\n".encode() + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in (str(w).encode() for w in words)))
            f.flush()
            return self.read(f)

    def read(self, f):
        kind, rest = (line := f.readline())[:1], line[1:-2]
        if kind == b"*":
            return [self.read(f) for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == b"-1" else f.read(int(rest) + 2)[:-2].decode()
        assert kind != b"-", rest
        return int(rest) if kind == b":" else rest.decode()

    def meter(self, scope):
        flat = self.ask("HGETALL", f"{PREFIX}meter:{scope}")
        return dict(zip(flat[::2], flat[1::2], strict=True))


@pytest.fixture
def redis(tmp_path):
    store = Store(tmp_path / "s").start()
    yield store
    store.stop()


@pytest.fixture
def gateway(redis):
    with Gateway(redis) as g:
        yield g


# ---- keys ----


def test_a_key_is_shown_once_and_kept_by_its_hash(gateway, redis):
    key = gateway.new_key(name="mine", tenant="acme", models=["llama*", "SmolLM2-135M"], classes=["normal"], admin=True)
    assert len(key["secret"]) == 46 and key["secret"].startswith("og-") and key["secret"][3:].isalnum()
    found = gateway.call("key", secret=key["secret"])
    assert (found["id"], found["name"], found["tenant"], found["admin"]) == (key["id"], "mine", "acme", True)
    assert not found["limited"]
    (row,) = gateway.admin("keys_list")["keys"]
    assert row["models"] == ["llama*", "SmolLM2-135M"] and row["classes"] == ["normal"]
    assert row["used_ms"] >= row["created_ms"] > 0
    kept = (redis.folder / "appendonlydir").glob("*")
    assert all(key["secret"].encode() not in f.read_bytes() for f in kept)
    assert redis.ask("GET", PREFIX + "keyhash:" + hashlib.sha256(key["secret"].encode()).hexdigest()) == key["id"]


def test_what_is_no_key_is_refused_in_words(gateway):
    for secret in ("", "sk-1", "og-" + "a" * 42, "og-" + "!" * 43):
        answer = gateway.call("key", secret=secret)
        assert answer["error"] == "invalid" and "no API key" in answer["message"]
    for _ in range(2):  # asked, and remembered
        answer = gateway.call("key", secret="og-" + "a" * 43)
        assert answer["error"] == "invalid" and "no such API key" in answer["message"]


def test_a_revoked_key_stops_within_two_seconds_in_every_gateway(gateway, redis):
    key = gateway.new_key()
    with Gateway(redis) as other:
        assert other.call("key", secret=key["secret"])["id"] == key["id"]
        assert gateway.admin("keys_revoke", id=key["id"]) == {"id": key["id"]}
        revoked = time.monotonic()
        assert gateway.call("key", secret=key["secret"])["error"] == "invalid"
        while other.call("key", secret=key["secret"]).get("error") != "invalid":
            assert time.monotonic() - revoked < 2.2
            time.sleep(0.02)
    assert gateway.admin("keys_list")["keys"] == []
    (row,) = gateway.admin("keys_list", all=True)["keys"]
    assert row["id"] == key["id"] and row["revoked_ms"]
    assert gateway.admin("keys_revoke", id=key["id"]) == {"id": key["id"]}, "twice is once"
    assert "there is no key" in gateway.admin("keys_revoke", id="0" * 12)["message"]


def test_a_key_expires(gateway):
    key = gateway.new_key(expires_ms=int(time.time() * 1000) + 400)
    assert gateway.call("key", secret=key["secret"])["id"] == key["id"]
    wait_for("the end", lambda: "expired at" in gateway.call("key", secret=key["secret"]).get("message", ""), 5)


def test_a_key_is_rotated_at_once_or_with_grace(gateway):
    key = gateway.new_key()
    second = gateway.admin("keys_rotate", id=key["id"])["secret"]
    assert gateway.call("key", secret=key["secret"])["error"] == "invalid"
    assert gateway.call("key", secret=second)["id"] == key["id"]
    third = gateway.admin("keys_rotate", id=key["id"], grace_ms=60000)["secret"]
    assert [gateway.call("key", secret=s).get("id") for s in (second, third)] == [key["id"]] * 2
    gateway.admin("keys_revoke", id=key["id"])
    assert [gateway.call("key", secret=s).get("error") for s in (second, third)] == ["invalid"] * 2


def test_a_key_is_changed_part_by_part_within_two_seconds_in_every_gateway(gateway, redis):
    key = gateway.new_key(name="old", tenant="acme", models=["a*"], classes=["high"], running=3, budget=900, admin=True)
    expires = int(time.time() * 1000) + 3600000
    with Gateway(redis) as other:
        assert other.call("key", secret=key["secret"])["name"] == "old"
        changed = gateway.admin("keys_set", id=key["id"], name="new", models=[], regions=["eu-*"], running=0, requests_per_minute=9, expires_ms=expires)["key"]
        at = time.monotonic()
        assert gateway.call("key", secret=key["secret"])["name"] == "new"
        while other.call("key", secret=key["secret"])["name"] != "new":
            assert time.monotonic() - at < 2.2
            time.sleep(0.02)
    (row,) = gateway.admin("keys_list")["keys"]
    del row["used_ms"], row["created_ms"]
    assert row == {
        "id": key["id"], "name": "new", "tenant": "acme", "admin": True, "regions": ["eu-*"], "classes": ["high"],
        "expires_ms": expires, "requests_per_minute": 9, "budget": 900, "budget_per": "total",
    }  # fmt: skip
    assert {k: changed[k] for k in row} == row
    again = gateway.admin("keys_set", id=key["id"], budget_per="day", expires_ms=0)["key"]
    assert again["budget_per"] == "day" and "expires_ms" not in again and again["requests_per_minute"] == 9


def test_a_change_of_limits_leaves_what_was_used_and_what_is_left(gateway, redis):
    gateway.tell("clock", ms=NOON)
    key = gateway.new_key(requests_per_minute=10, tokens_per_minute=1000, budget=5000)
    gateway.call("key", secret=key["secret"])
    done, open_ = gateway.reserve(30), gateway.reserve(20)
    gateway.settle(done["job"])
    before = redis.meter("k:" + key["id"])
    assert (before["jobs"], before["held"], before["total"]) == ("1", "20", "7")
    gateway.admin("keys_set", id=key["id"], requests_per_minute=20, tokens_per_minute=2000, budget=30)
    assert redis.meter("k:" + key["id"]) == before
    gateway.call("key", secret=key["secret"])
    assert gateway.reserve(5)["refused"] == "budget", "7 used, 20 held, 5 more are above 30"
    gateway.settle(open_["job"])
    after = redis.meter("k:" + key["id"])
    assert (after["jobs"], after["held"], after["total"]) == ("0", "0", "14")
    assert float(after["r"]) == float(before["r"]), "the two requests of this minute count against the new limit"


def test_a_key_that_is_none_any_more_is_not_changed(gateway, redis):
    key = gateway.new_key(name="gone")
    gateway.admin("keys_revoke", id=key["id"])
    for key_id in (key["id"], "0" * 12):
        answer = gateway.admin("keys_set", id=key_id, name="x")
        assert answer["error"] == "invalid" and "there is no key" in answer["message"], answer
    assert redis.ask("HGET", f"{PREFIX}key:{key['id']}", "name") == "gone" and redis.ask("EXISTS", f"{PREFIX}key:{'0' * 12}") == 0


def test_the_first_key_is_made_once_however_many_gateways_start(redis, tmp_path):
    gateways = [Gateway(redis) for _ in range(4)]
    for i, g in enumerate(gateways):
        g.tell("first", path=str(tmp_path / f"{i}.key"))
    told = [g.until("first")["secret"] for g in gateways]
    (secret,) = [s for s in told if s]
    made = list(tmp_path.glob("*.key*"))
    assert [f.name for f in made] == [f"{told.index(secret)}.key"], "no drafts are left"
    assert made[0].read_text() == secret + "\n" and made[0].stat().st_mode & 0o777 == 0o600
    found = gateways[0].call("key", secret=secret)
    assert (found["name"], found["tenant"], found["admin"]) == ("first", "default", True)
    gateways[0].admin("keys_revoke", id=found["id"])
    for g in gateways:
        g.close()
    with Gateway(redis) as later:
        assert later.call("first", path=str(tmp_path / "again.key"))["secret"] is None, "a store that had keys gets none by itself"


def test_the_first_key_waits_for_the_store(redis, tmp_path):
    redis.stop()
    with Gateway(redis, up=False) as g:
        g.until("down")
        g.tell("first", path=str(tmp_path / "first.key"))
        redis.start()
        assert g.until("first")["secret"]


@pytest.mark.parametrize(
    "verb, request_, words",
    [
        ("keys_create", {}, '"name" is missing'),
        ("keys_create", {"name": "a\nb"}, "control character"),
        ("keys_create", {"name": "x", "tenant": "a b"}, "no tenant's name"),
        ("keys_create", {"name": "x", "models": "m"}, '"models" is a list'),
        ("keys_create", {"name": "x", "models": ["a,b"]}, "item 1"),
        ("keys_create", {"name": "x", "models": ["m" * 100] * 20}, "longer than"),
        ("keys_create", {"name": "x", "classes": ["urgent"]}, "'urgent' is none of high, normal, batch"),
        ("keys_create", {"name": "x", "expires_ms": 1}, '"expires_ms" is a whole number'),
        ("keys_create", {"name": "x", "running": -1}, "running: a whole number"),
        ("keys_create", {"name": "x", "budget_per": "year"}, "none of total, day, month"),
        ("keys_set", {"id": "xyz"}, "no key's id"),
        ("keys_set", {"id": "0" * 12, "tenant": "t"}, '"tenant" of a key stays'),
        ("keys_set", {"id": "0" * 12, "admin": True}, '"admin" of a key stays'),
        ("keys_set", {"id": "0" * 12, "expires_ms": 1}, '"expires_ms" is a whole number'),
        ("keys_set", {"id": "0" * 12, "name": ""}, '"name" is a text'),
        ("keys_revoke", {"id": "xyz"}, "no key's id"),
        ("keys_rotate", {"id": "0" * 12}, "there is no key 000000000000"),
        ("tenants_set", {"name": "t", "weight": 0}, '"weight" is a whole number from 1 to 1000'),
        ("tenants_show", {"name": "nobody"}, "there is no tenant 'nobody'"),
        ("tenants_remove", {"name": "nobody"}, "there is no tenant 'nobody'"),
        ("usage", {"since": "yesterday"}, "no day such as"),
        ("usage", {"since": "2026-02-02", "until": "2026-02-01"}, "after"),
        ("usage", {"by": ["week"]}, "'week' is none of"),
        ("dance", {}, "unknown verb 'dance'"),
    ],
)
def test_a_wrong_request_is_refused_in_words(gateway, verb, request_, words):
    answer = gateway.admin(verb, **request_)
    assert answer["error"] == "invalid" and words in answer["message"], answer


def test_lists_come_in_pages(gateway):
    for i in range(103):
        gateway.new_key(name=f"k{i}", tenant=f"t{i % 2}")
    first = gateway.admin("keys_list")
    assert len(first["keys"]) == 100 and first["next"] == 100
    rest = gateway.admin("keys_list", **{"from": first["next"]})
    assert len(rest["keys"]) == 3 and "next" not in rest
    assert {k["tenant"] for k in gateway.admin("keys_list", tenant="t1")["keys"]} == {"t1"}


# ---- tenants ----


def test_tenants_have_weights_and_limits_that_change_one_by_one(gateway):
    gateway.new_key(tenant="acme")
    shown = gateway.admin("tenants_set", name="acme", weight=4, running=2, budget=1000, budget_per="month")["tenant"]
    assert (shown["weight"], shown["running"], shown["budget"], shown["budget_per"], shown["keys"]) == (4, 2, 1000, "month", 1)
    shown = gateway.admin("tenants_set", name="acme", running=0, requests_per_minute=60)["tenant"]
    assert "running" not in shown and shown["requests_per_minute"] == 60 and shown["weight"] == 4
    assert [t["name"] for t in gateway.admin("tenants_list")["tenants"]] == ["acme"]
    assert "has keys" in gateway.admin("tenants_remove", name="acme")["message"]
    gateway.admin("keys_revoke", id=gateway.admin("keys_list")["keys"][0]["id"])
    assert gateway.admin("tenants_remove", name="acme") == {"name": "acme"}
    assert gateway.admin("tenants_list")["tenants"] == []


def test_a_key_carries_its_tenants_weight_and_limits(gateway):
    key = gateway.new_key(tenant="acme")
    found = gateway.call("key", secret=key["secret"])
    assert (found["weight"], found["limited"]) == (0, False)
    gateway.admin("tenants_set", name="acme", weight=7, tokens_per_minute=10)
    found = gateway.call("key", secret=key["secret"])
    assert (found["weight"], found["limited"]) == (7, True)


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
        gateway.settle(job)
    assert used(gateway) == (1, 3, 4)
    gateway.settle(str(uuid.uuid4()), replayed=True)
    assert used(gateway) == (1, 3, 4), "what was not run for it is not counted"


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
