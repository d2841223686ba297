"""og-gateway's batches: files of requests in, files of answers and errors out, whoever is killed meanwhile."""

import copy
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from gateway_rig import MODEL, ask, serving, stub, stub_text  # noqa: E402, F401
from services import wait_for  # noqa: E402

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def gateway(serving):  # noqa: F811
    serving.start_store()
    return serving.begin()


def line(custom_id, body, url=CHAT):
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body})


def upload(gateway, lines, purpose="batch"):
    part = 'Content-Disposition: form-data; name="'
    text = "\n".join(lines) + "\n"
    body = f'--7d1e9\r\n{part}purpose"\r\n\r\n{purpose}\r\n--7d1e9\r\n{part}file"; filename="b.jsonl"\r\n\r\n{text}\r\n--7d1e9--\r\n'
    made = gateway.post("/v1/files", body.encode(), headers={"content-type": "multipart/form-data; boundary=7d1e9"})
    assert made.status == 200, made.body
    return made.json["id"]


def start(gateway, lines, endpoint=CHAT, **more):
    made = gateway.post("/v1/batches", {"input_file_id": upload(gateway, lines), "endpoint": endpoint, "completion_window": "24h", **more})
    assert made.status == 200, made.body
    return made.json


def wait_batch(gateway, batch, *status, timeout=60):
    def there():
        return gateway.get(f"/v1/batches/{batch['id']}").json["status"] in status

    wait_for(f"{batch['id']} to be {status}", there, timeout)
    return gateway.get(f"/v1/batches/{batch['id']}").json


def lines_of(gateway, file):
    return [json.loads(text) for text in gateway.get(f"/v1/files/{file}/content").body.decode().splitlines()] if file else []


def test_answers_and_errors_are_files(gateway):
    lines = [line(f"ok-{n}", ask(f"{n} " + stub_text(tokens=n + 1))) for n in range(5)]
    lines += [line("none", ask("x", model="none-such")), "{", line("elsewhere", ask("x"), "/v1/completions"), ""]
    made = start(gateway, lines, metadata={"a": "b"})
    assert made["object"] == "batch" and made["status"] == "validating" and made["metadata"] == {"a": "b"}
    done = wait_batch(gateway, made, "completed")
    assert done["request_counts"] == {"total": 8, "completed": 5, "failed": 3} and done["completed_at"]
    answers = {a["custom_id"]: a for a in lines_of(gateway, done["output_file_id"])}
    assert set(answers) == {f"ok-{n}" for n in range(5)}
    assert answers["ok-1"]["response"]["status_code"] == 200 and answers["ok-1"]["error"] is None
    assert answers["ok-1"]["response"]["body"]["choices"][0]["message"]["content"] == "tok0 tok1 "
    errors = {e["custom_id"]: e["error"]["code"] for e in lines_of(gateway, done["error_file_id"])}
    assert errors == {"none": "model_not_found", None: "invalid_json", "elsewhere": "invalid_request"}
    assert gateway.get("/v1/batches").json["data"][0]["id"] == made["id"]
    assert gateway.post(f"/v1/batches/{made['id']}/cancel", {}).status == 409


def test_responses_in_a_batch(gateway):
    lines = [line("r", {"model": MODEL, "input": stub_text(tokens=2)}, "/v1/responses")]
    done = wait_batch(gateway, start(gateway, lines, "/v1/responses"), "completed")
    body = lines_of(gateway, done["output_file_id"])[0]["response"]["body"]
    assert body["object"] == "response" and body["output"][0]["content"][0]["text"] == "tok0 tok1 "


def test_what_is_wrong_is_named(gateway):
    file = upload(gateway, [line("a", ask("x"))])
    good = {"input_file_id": file, "endpoint": CHAT}
    for wrong, param in (
        ({"endpoint": "/v1/x"}, "endpoint"),
        ({"completion_window": "soon"}, "completion_window"),
        ({"completion_window": "0" * 100 + "24h"}, "completion_window"),
        ({"input_file_id": ""}, "input_file_id"),
        ({"input_file_id": upload(gateway, [line("a", ask("x"))], "user_data")}, "input_file_id"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {"a": "x" * 2049}}, "metadata"),
        ({"metadata": {"x" * 257: "a"}}, "metadata"),
        ({"metadata": {f"k{n}": "v" for n in range(17)}}, "metadata"),
    ):
        refused = gateway.post("/v1/batches", {**good, **wrong})
        assert refused.status == 400 and refused.json["error"]["param"] == param
    assert gateway.post("/v1/batches", {**good, "input_file_id": "file-none"}).status == 404
    assert gateway.get("/v1/batches/batch_none").status == gateway.post("/v1/batches/batch_none/cancel", {}).status == 404
    refused = gateway.post("/v1/batches", good, headers={"og-region": "\xfc"})
    assert refused.status == 400 and "og-region" in refused.json["error"]["message"], refused.body
    failed = wait_batch(gateway, start(gateway, [""]), "failed")
    assert failed["errors"]["data"][0]["code"] == "empty_file"


def test_a_line_without_an_end_is_not_read_into_memory(gateway):
    def peak():
        return int(Path(f"/proc/{gateway.process.pid}/status").read_text().split("VmHWM:")[1].split()[0])

    file = upload(gateway, ["x" * (64 << 20)])
    before = peak()
    failed = wait_batch(gateway, gateway.post("/v1/batches", {"input_file_id": file, "endpoint": CHAT}).json, "failed")
    assert failed["errors"]["data"][0]["code"] == "line_too_large"
    assert peak() - before < 32 << 10, "KiB"
    assert gateway.request("DELETE", f"/v1/files/{file}").status == 200


def test_one_is_cancelled_with_what_it_has(gateway, stub):
    lines = [line("fast", ask("c-fast " + stub_text(tokens=1)))]
    lines += [line(f"slow-{n}", ask("c-slow " + stub_text(tokens=500, pace_ms=50))) for n in range(20)]
    made = start(gateway, lines)
    wait_for("the first to be done", lambda: gateway.get(f"/v1/batches/{made['id']}").json["request_counts"]["completed"] == 1, 30)
    assert gateway.post(f"/v1/batches/{made['id']}/cancel", {}).json["status"] == "cancelling"
    done = wait_batch(gateway, made, "cancelled")
    assert [a["custom_id"] for a in lines_of(gateway, done["output_file_id"])] == ["fast"]
    wait_for("the engine to be free", lambda: all(r["aborted"] for r in stub.requests("c-slow")))


def test_one_is_cancelled_as_soon_as_it_runs(gateway, stub):
    """Its line may not have come to the scheduler yet: the cancel is said again."""
    made = start(gateway, [line("slow", ask("c-soon " + stub_text(first_ms=60000)))])
    wait_for("it to run", lambda: gateway.get(f"/v1/batches/{made['id']}").json["status"] == "in_progress")
    assert gateway.post(f"/v1/batches/{made['id']}/cancel", {}).json["status"] == "cancelling"
    done = wait_batch(gateway, made, "cancelled", timeout=30)
    assert done["request_counts"] == {"total": 1, "completed": 0, "failed": 0}
    wait_for("the engine to be free", lambda: all(r["aborted"] for r in stub.requests("c-soon")))


def test_its_time_is_up(gateway):
    lines = [line("fast", ask(stub_text(tokens=1)))]
    lines += [line(f"slow-{n}", ask(stub_text(tokens=500, pace_ms=50))) for n in range(3)]
    done = wait_batch(gateway, start(gateway, lines, completion_window="4s"), "expired")
    assert [a["custom_id"] for a in lines_of(gateway, done["output_file_id"])] == ["fast"]
    errors = lines_of(gateway, done["error_file_id"])
    assert len(errors) == 3 and {e["error"]["code"] for e in errors} == {"batch_expired"}


def with_key(gateway, name, **more):
    """The gateway as a key sees it that is made for it; its limits are `more`."""
    made = gateway.control("keys_create", name=name, **more)
    assert "secret" in made, made
    seen = copy.copy(gateway)
    seen.key, seen.key_id = made["secret"], made["id"]
    return seen


def used(gateway, key):
    rows = gateway.control("usage", key=key, by=["key"])["usage"]
    return sum(r["requests"] for r in rows), sum(r["prompt_tokens"] + r["completion_tokens"] for r in rows)


def running_now(gateway, tenant):
    return gateway.control("tenants_show", name=tenant)["tenant"]["running_now"]


def test_lines_wait_for_a_limit_of_the_minute_and_none_fails(gateway, stub):
    """60 a minute: 60 at once, and from then on one a second."""
    mine = with_key(gateway, "paced", requests_per_minute=60)
    lines = [line(f"p-{n}", ask(f"paced-{n}. " + stub_text(tokens=1))) for n in range(64)]
    done = wait_batch(mine, start(mine, lines), "completed")
    assert done["request_counts"] == {"total": 64, "completed": 64, "failed": 0}
    at = sorted(r["received_s"] for r in stub.requests("paced-"))
    assert len(at) == 64 and at[-1] - at[0] >= 2.5, "four of them had to wait, a second each"
    wait_for("what it used to be counted", lambda: used(gateway, mine.key_id)[0] == 64)


def test_lines_wait_for_a_place(gateway, stub):
    mine = with_key(gateway, "narrow", tenant="narrow", running=2)
    made = start(mine, [line(f"n-{n}", ask(f"narrow-{n}. " + stub_text(tokens=8, pace_ms=25))) for n in range(8)])
    most = 0

    def ended():
        nonlocal most
        most = max(most, running_now(gateway, "narrow"))
        return mine.get(f"/v1/batches/{made['id']}").json["status"] == "completed"

    wait_for("it to end", ended, 60)
    assert mine.get(f"/v1/batches/{made['id']}").json["request_counts"] == {"total": 8, "completed": 8, "failed": 0}
    assert 1 <= most <= 2
    wait_for("its places to be free", lambda: running_now(gateway, "narrow") == 0)


def test_a_spent_budget_ends_the_rest_by_name(gateway, stub):
    mine = with_key(gateway, "poor", budget=600)
    lines = [line(f"b-{n}", ask(f"budget-{n}. " + stub_text(tokens=100), max_tokens=100)) for n in range(20)]
    done = wait_batch(mine, start(mine, lines), "completed")
    answers, errors = lines_of(mine, done["output_file_id"]), lines_of(mine, done["error_file_id"])
    assert 1 <= len(answers) <= 6 and len(answers) + len(errors) == 20
    assert {e["error"]["code"] for e in errors} == {"insufficient_quota"}
    assert done["request_counts"] == {"total": 20, "completed": len(answers), "failed": len(errors)}
    assert len(stub.requests("budget-")) == len(answers), "nothing ran that was not paid"
    wait_for("it to be counted", lambda: used(gateway, mine.key_id)[0] == len(answers))
    assert used(gateway, mine.key_id)[1] <= 600


def test_a_key_for_regions_alone_names_one(gateway):
    mine = with_key(gateway, "regional", regions=["eu-*"])
    wanted = {"input_file_id": upload(mine, [line("a", ask(stub_text(tokens=1)))]), "endpoint": CHAT}
    for headers in ({}, {"og-region": "us-east"}):
        refused = mine.post("/v1/batches", wanted, headers=headers)
        assert (refused.status, refused.json["error"]["code"]) == (403, "region_not_allowed"), refused.body
    made = mine.post("/v1/batches", {**wanted, "completion_window": "5s"}, headers={"og-region": "eu-1"})
    assert made.status == 200, made.body
    ended = wait_batch(mine, made.json, "completed", "expired")
    assert lines_of(mine, ended["error_file_id"])[0]["error"]["code"] in ("no_capacity", "batch_expired"), "no worker is there"


def store(serving, command, key, *words):  # noqa: F811
    """What redis-cli prints."""
    cluster, store = serving.fleet.cluster, serving.store
    login = [word for pair in zip(("--user", "--pass"), cluster.credentials("gateway")) for word in pair]
    words = ["-s", store.socket, "--no-auth-warning", *login, command, f"og:{cluster.name}:{key}", *map(str, words)]
    return subprocess.run(["redis-cli", *words], capture_output=True, text=True, check=True).stdout.strip()


def test_a_lease_that_ran_out_unnoticed_cancels_nothing(serving, gateway, stub):
    """As it does while the store is away: its gateway, which still runs it, finds it due and claims it again."""
    made = start(gateway, [line(f"l-{n}", ask(f"lease-{n}. " + stub_text(tokens=100, pace_ms=30))) for n in range(3)])
    wait_for("the engine to be asked", lambda: len(stub.requests("lease-")) == 3, 30)
    assert store(serving, "ZADD", "batch_due", "XX", "CH", 0, made["id"]) == "1"
    done = wait_batch(gateway, made, "completed", "cancelled")
    assert done["status"] == "completed" and done["request_counts"] == {"total": 3, "completed": 3, "failed": 0}
    assert len(stub.requests("lease-")) == 3


def test_a_batch_that_was_taken_ends_when_there_is_room_for_no_more(serving, gateway):
    """Its record grows on the way, by the ids of its files and what a webhook or a key has to say; that is no new one."""
    before = wait_batch(gateway, start(gateway, [line("a", ask(stub_text(tokens=1)))]), "completed")
    made = start(gateway, [line("a", ask(stub_text(tokens=100, pace_ms=30)))])
    wait_batch(gateway, made, "in_progress")
    file = upload(gateway, [line("b", ask("x"))])
    assert int(store(serving, "INCRBY", "batch_bytes", 64 << 20)) > 64 << 20
    try:
        assert gateway.post("/v1/batches", {"input_file_id": file, "endpoint": CHAT}).status == 503
        done = wait_batch(gateway, made, "completed", timeout=30)
        assert [a["custom_id"] for a in lines_of(gateway, done["output_file_id"])] == ["a"]
        assert gateway.get(f"/v1/batches/{before['id']}").json == before, "none had to go for it"
    finally:
        store(serving, "DECRBY", "batch_bytes", 64 << 20)


def test_a_gateway_killed_in_the_middle_is_taken_over(serving, gateway, stub):
    """No line is run twice, none is lost."""
    lines = [line(f"k-{n}", ask(f"killed-{n}. " + stub_text(tokens=4, pace_ms=25))) for n in range(200)]
    one = serving.gateway("one-of-two", "gateway.loopback_without_key=yes")
    made = start(one, lines)
    wait_for("some to be done", lambda: gateway.get(f"/v1/batches/{made['id']}").json["request_counts"]["completed"] > 20, 60)
    runner = next(g for g in serving.gateways if g.alive() and f"{made['id']} status=claimed" in g.text())
    runner.end(signal.SIGKILL, 5)
    other = next(g for g in serving.gateways if g.alive())
    done = wait_batch(other, made, "completed", timeout=120)
    answers = lines_of(other, done["output_file_id"])
    assert sorted(a["custom_id"] for a in answers) == sorted(f"k-{n}" for n in range(200))
    assert done["request_counts"] == {"total": 200, "completed": 200, "failed": 0}
    ran = [r["body"]["messages"][0]["content"].split(".")[0] for r in stub.requests("killed-")]
    assert len(ran) == len(set(ran)) == 200


def test_what_was_answered_before_the_budget_was_spent_stays_answered(serving, stub):
    """Its gateway dies then: the next one has no budget left to ask with, and finds the answers all the same."""
    serving.gateway("heir-one", "gateway.loopback_without_key=yes")
    two = serving.gateway("heir-two", "gateway.loopback_without_key=yes")
    mine = with_key(two, "heir", budget=600)
    lines = [line(f"h-{n}", ask(f"heir-{n}. " + stub_text(tokens=100), max_tokens=100)) for n in range(4)]
    lines += [line(f"s-{n}", ask(f"heir-slow-{n}. " + stub_text(tokens=100, pace_ms=60), max_tokens=100)) for n in range(4)]
    made = start(mine, lines)
    wait_for("the budget to be spent", lambda: mine.get(f"/v1/batches/{made['id']}").json["request_counts"]["failed"] >= 1, 60)
    runner = next(g for g in serving.gateways if g.alive() and f"{made['id']} status=claimed" in g.text())
    runner.end(signal.SIGKILL, 5)
    seen = copy.copy(next(g for g in serving.gateways if g.alive()))
    seen.key = mine.key
    done = wait_batch(seen, made, "completed", timeout=120)
    answers, errors = lines_of(seen, done["output_file_id"]), lines_of(seen, done["error_file_id"])
    ran = {r["body"]["messages"][0]["content"].split(".")[0] for r in stub.requests("heir-")}
    assert {a["response"]["body"]["usage"]["completion_tokens"] for a in answers} == {100}
    assert len(answers) == len(ran) and len(answers) + len(errors) == 8
    assert len(ran) == len(stub.requests("heir-")), "nothing ran twice"
    assert {e["error"]["code"] for e in errors} == {"insufficient_quota"}
