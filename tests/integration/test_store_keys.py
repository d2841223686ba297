"""Keys and tenants in the gateways' store, on a real Redis that writes before it answers."""

import hashlib
import time

import pytest
from services import wait_for
from store_rig import NOON, PREFIX, Gateway, gateway, redis  # noqa: F401


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


def test_a_name_that_others_have_is_told(gateway):
    ids = set()
    for tenant, name, alike in (("twin", "a", None), ("twin", "b", None), ("other", "a", None), ("twin", "a", 1), ("twin", "a", 2)):
        made = gateway.admin("keys_create", name=name, tenant=tenant)
        assert made.get("same_name") == alike
        ids.add(made["id"])
    gateway.admin("keys_revoke", id=made["id"])
    assert len(ids) == 5 and gateway.admin("keys_create", name="a", tenant="twin")["same_name"] == 2, "what is revoked is none"


def test_what_is_no_key_is_refused_in_words(gateway):
    for secret in ("", "sk-1", "og-" + "a" * 42, "og-" + "!" * 43):
        answer = gateway.call("key", secret=secret)
        assert answer["error"] == "invalid" and "no API key" in answer["message"] and "og keys create" in answer["message"]
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


def test_without_grace_no_secret_of_before_counts(gateway):
    """Also one from an earlier rotation whose own grace has not ended."""
    key = gateway.new_key()
    secrets = [key["secret"]] + [gateway.admin("keys_rotate", id=key["id"], grace_ms=grace)["secret"] for grace in (3600000, 60000)]
    assert [gateway.call("key", secret=s).get("id") for s in secrets] == [key["id"]] * 3
    last = gateway.admin("keys_rotate", id=key["id"])["secret"]
    assert gateway.call("key", secret=last)["id"] == key["id"]
    for secret in secrets:
        wait_for("it to count no more", lambda: gateway.call("key", secret=secret).get("error") == "invalid", 5)  # noqa: B023


def test_a_shorter_grace_is_that_of_the_secrets_before_too(gateway):
    key = gateway.new_key()
    gateway.admin("keys_rotate", id=key["id"], grace_ms=3600000)
    gateway.admin("keys_rotate", id=key["id"], grace_ms=300)
    wait_for("it to count no more", lambda: gateway.call("key", secret=key["secret"]).get("error") == "invalid", 5)


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
    assert "has keys: revoke them first (`og keys list --tenant acme`" in gateway.admin("tenants_remove", name="acme")["message"]
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
