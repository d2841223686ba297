"""og-gateway's batches: files of requests in, files of answers and errors out, whoever is killed meanwhile."""

import json
import signal
import sys
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


def upload(gateway, lines):
    part = 'Content-Disposition: form-data; name="'
    text = "\n".join(lines) + "\n"
    body = f'--7d1e9\r\n{part}purpose"\r\n\r\nbatch\r\n--7d1e9\r\n{part}file"; filename="b.jsonl"\r\n\r\n{text}\r\n--7d1e9--\r\n'
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
        ({"input_file_id": ""}, "input_file_id"),
    ):
        refused = gateway.post("/v1/batches", {**good, **wrong})
        assert refused.status == 400 and refused.json["error"]["param"] == param
    assert gateway.post("/v1/batches", {**good, "input_file_id": "file-none"}).status == 404
    assert gateway.get("/v1/batches/batch_none").status == gateway.post("/v1/batches/batch_none/cancel", {}).status == 404
    failed = wait_batch(gateway, start(gateway, [""]), "failed")
    assert failed["errors"]["data"][0]["code"] == "empty_file"


def test_one_is_cancelled_with_what_it_has(gateway, stub):
    lines = [line("fast", ask("c-fast " + stub_text(tokens=1)))]
    lines += [line(f"slow-{n}", ask("c-slow " + stub_text(tokens=500, pace_ms=50))) for n in range(20)]
    made = start(gateway, lines)
    wait_for("the first to be done", lambda: gateway.get(f"/v1/batches/{made['id']}").json["request_counts"]["completed"] == 1, 30)
    assert gateway.post(f"/v1/batches/{made['id']}/cancel", {}).json["status"] == "cancelling"
    done = wait_batch(gateway, made, "cancelled")
    assert [a["custom_id"] for a in lines_of(gateway, done["output_file_id"])] == ["fast"]
    wait_for("the engine to be free", lambda: all(r["aborted"] for r in stub.requests("c-slow")))


def test_its_time_is_up(gateway):
    lines = [line("fast", ask(stub_text(tokens=1)))]
    lines += [line(f"slow-{n}", ask(stub_text(tokens=500, pace_ms=50))) for n in range(3)]
    done = wait_batch(gateway, start(gateway, lines, completion_window="4s"), "expired")
    assert [a["custom_id"] for a in lines_of(gateway, done["output_file_id"])] == ["fast"]
    errors = lines_of(gateway, done["error_file_id"])
    assert len(errors) == 3 and {e["error"]["code"] for e in errors} == {"batch_expired"}


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
