"""Keys, tenants and usage through a real gateway and og's verbs: who may ask, and what is said while the store is away."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import BUILD, MODEL, Serving, stub, stub_text  # noqa: E402, F401
from services import wait_for  # noqa: E402


@pytest.fixture(scope="module")
def rig(tmp_path_factory, stub):  # noqa: F811
    """A cluster whose store is as og-broker-config renders it, and a gateway that wants keys."""
    serving = Serving(tmp_path_factory.mktemp("gk") / "r", f"gk-{os.getpid()}", stub)
    yield serving.begin_with_keys()
    serving.close()


def og(rig, *words, expect=0):
    done = subprocess.run(
        [BUILD / "og", *words], env=rig.fleet.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def og_json(rig, *words):
    return json.loads(og(rig, *words, "--json").stdout)


def new_key(rig, name, *words):
    done = og(rig, "keys", "create", name, *words)
    assert "only time" in done.stderr
    return done.stdout.strip()


def test_the_first_start_makes_a_key_and_shows_it_once(rig):
    file = rig.root / "secrets/gateway.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert rig.one.text().count(rig.first) == 1
    two = rig.gateway("two", key=rig.first)
    assert two.get("/v1/models").status == 200
    assert rig.first not in two.text()
    (key,) = og_json(rig, "keys", "list")["keys"]
    assert (key["name"], key["tenant"], key["admin"]) == ("first", "default", True)


def test_without_a_key_that_is_known_nothing_is_answered(rig):
    for headers in ({}, {"authorization": "Bearer sk-something"}, {"authorization": f"Bearer og-{'x' * 43}"}, {"x-api-key": "og-"}):
        refused = rig.one.get("/v1/models", headers={"authorization": "", **headers})
        assert refused.status == 401 and refused.json["error"]["code"] == "invalid_api_key", refused.body
    refused = rig.one.get("/v1/models", headers={"authorization": ""})
    assert "og keys create" in refused.json["error"]["message"], refused.body
    assert rig.one.get("/healthz", headers={"authorization": ""}).status == 200
    assert rig.one.get("/v1/models", headers={"authorization": "", "x-api-key": rig.first}).status == 200


def test_keys_from_their_making_to_their_end(rig):
    secret = new_key(rig, "laptop", "--tenant", "acme", "--model", MODEL, "--running", "3", "--expires", "90d")
    assert rig.one.get("/v1/models", headers={"authorization": f"Bearer {secret}"}).status == 200
    (key,) = og_json(rig, "keys", "list", "--tenant", "acme")["keys"]
    assert (key["name"], key["models"], key["running"]) == ("laptop", [MODEL], 3) and key["used_ms"]
    table = og(rig, "keys", "list").stdout
    assert key["id"] in table and "3 at once" in table and "never" not in table.splitlines()[-1]

    changed = og(rig, "keys", "set", key["id"], "--running", "0", "--name", "desk", "--model", "*", "--budget", "50", "--expires", "0").stdout
    assert "desk" in changed and "50 tokens (total)" in changed and "at once" not in changed and MODEL not in changed
    assert "nothing is to be changed" in og(rig, "keys", "set", key["id"], expect=2).stderr
    assert "stay as they were made" in og(rig, "keys", "set", key["id"], "--tenant", "x", expect=2).stderr
    assert "there is no key" in og(rig, "keys", "set", "0" * 12, "--running", "1", expect=2).stderr
    other = og(rig, "keys", "rotate", key["id"], "--grace", "1h").stdout.strip()
    assert other != secret
    for s in (secret, other):
        assert rig.one.get("/v1/models", headers={"authorization": f"Bearer {s}"}).status == 200
    og(rig, "keys", "revoke", key["id"])
    end = time.monotonic() + 2.5
    while rig.one.get("/v1/models", headers={"authorization": f"Bearer {other}"}).status != 401:
        assert time.monotonic() < end
    assert "revoked" in og(rig, "keys", "list", "--tenant", "acme", "--all").stdout
    assert "there is no key" in og(rig, "keys", "revoke", "0" * 12, expect=2).stderr


def test_tenants(rig):
    og(rig, "tenants", "set", "team", "--weight", "4", "--budget", "1000", "--budget-per", "day")
    shown = og_json(rig, "tenants", "show", "team")["tenant"]
    assert (shown["weight"], shown["budget"], shown["budget_per"]) == (4, 1000, "day")
    assert "1000 tokens (day)" in og(rig, "tenants", "list").stdout
    og(rig, "tenants", "remove", "team")
    assert "there is no tenant 'team'" in og(rig, "tenants", "show", "team", expect=2).stderr


def test_what_is_wrong_is_said_and_costs_an_exit_status(rig):
    assert "none of high, normal, batch" in og(rig, "keys", "create", "x", "--class", "urgent", expect=2).stderr
    assert "og keys create <name>" in og(rig, "keys", "create", expect=2).stderr
    assert "none of create, list" in og(rig, "keys", "burn", expect=2).stderr
    assert "which one?" in og(rig, "tenants", "set", expect=2).stderr
    assert "no day such as" in og(rig, "usage", "--since", "yesterday", expect=2).stderr


def test_usage_without_any(rig):
    assert og_json(rig, "usage", "--since", "2026-01-01", "--until", "2026-01-02") == {"usage": []}
    assert "REQUESTS" in og(rig, "usage", "--by", "tenant").stdout


def test_a_store_that_is_away_is_a_503_and_comes_back_by_itself(rig):
    rig.store.kill()
    wait_for("the gateway to notice", lambda: rig.one.control()["gateway"]["store"] is False, 10)
    time.sleep(2.1)  # what is remembered of a key counts no longer
    refused = rig.one.get("/v1/models")
    assert refused.status == 503 and refused.headers["retry-after"] == "2", refused.body
    assert rig.one.get("/readyz").status == 503
    assert b"og_gateway_store_up 0" in rig.one.get("/metrics").body
    done = og(rig, "keys", "list", expect=8)
    assert "Redis" in done.stderr and "logs/store.log" in done.stderr
    rig.start_store()
    wait_for("the key to count again", lambda: rig.one.get("/v1/models").status == 200, 10)
    assert rig.one.chat(stub_text(tokens=2)).status == 200


def test_og_says_where_it_looked_for_a_gateway(rig, tmp_path):
    done = subprocess.run(
        [BUILD / "og", "usage"],
        env={**rig.fleet.environment, "OPENGATEWAY_POC_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 8 and "no gateway runs here" in done.stderr and "`og start`" in done.stderr


def test_og_says_what_to_do_where_the_gateway_died(rig, tmp_path):
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tmp_path / "run/gateway-main.sock"))  # and nobody listens on it any more
    for verb in (["usage"], ["keys", "list"], ["tenants", "list"]):
        done = subprocess.run(
            [BUILD / "og", *verb], env={**rig.fleet.environment, "OPENGATEWAY_POC_ROOT": str(tmp_path)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 8 and "no gateway runs here" in done.stderr and "`og start`" in done.stderr, done.stderr


def test_og_says_what_is_wrong_where_the_gateway_runs(rig):
    done = subprocess.run([BUILD / "og", "keys", "create", b"\xff"], env=rig.fleet.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "a request is a JSON object" in done.stderr and "no gateway runs here" not in done.stderr, done.stderr
