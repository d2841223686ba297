"""og as a user meets it: leaving a prompt, coming back to it, and a connection that is cut."""

import json
import os
import signal
import time
import urllib.parse
import uuid

import pika
from og_rig import Root, answers, drain_intake, grid, root, wait_request  # noqa: F401
from services import api, wait_for

# ── cancel ──


def test_ctrl_c_cancels_a_waiting_job(root, grid):
    drain_intake(grid)
    grid.on_rpc = lambda g, verb, body, properties: {"state": "cancelled"}
    process = root.start("prompt", "x")
    job = wait_request(grid).message_id
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (5, b""), err
    assert ("cancel", {"id": job}) in list(grid.rpcs.queue)


def test_ctrl_c_cancels_a_running_job(root, grid):
    def on_rpc(g, verb, body, properties):
        g.ended(request, "cancelled", "cancelled", "by its submitter")
        return {"state": "cancelling"}

    grid.on_rpc = on_rpc
    process = root.start("prompt", "x")
    request = wait_request(grid)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 5


def test_a_second_ctrl_c_leaves_at_once(root, grid):
    process = root.start("prompt", "x")
    wait_request(grid)
    process.send_signal(signal.SIGINT)
    assert grid.rpcs.get(timeout=10)[0] == "cancel"
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and time.monotonic() - began < 3
    assert b"og cancel" in err


def test_a_time_out_cancels(root, grid):
    grid.on_rpc = lambda g, verb, body, properties: {"state": "cancelled"}
    done = root.og("prompt", "x", "--timeout", "300ms")
    assert done.returncode == 4 and grid.rpcs.get(timeout=5)[0] == "cancel"


def test_nobody_reads_stdout_any_more(root, grid):
    grid.on_rpc = lambda g, verb, body, properties: {"state": "cancelled"}
    grid.on_request = lambda g, request, body: g.chunk(request, "first ", 0)
    process = root.start("prompt", "x", "--stream")
    assert os.read(process.stdout.fileno(), 100) == b"first "
    process.stdout.close()
    request = wait_request(grid)
    grid.connection.add_callback_threadsafe(lambda: grid.chunk(request, "second ", 1))
    assert grid.rpcs.get(timeout=10)[0] == "cancel"
    assert process.wait(20) == 1
    process.stderr.close()


# ── jobs of before ──


def test_detach_result_wait_cancel(root, grid):
    done = root.og("prompt", "x", "--detach")
    job = done.stdout.decode().strip()
    assert done.returncode == 0 and str(uuid.UUID(job)) == job
    request = wait_request(grid)
    assert request.message_id == job and request.headers["og-detach"] == 1

    grid.on_rpc = lambda g, verb, body, properties: {"state": "running"}
    done = root.og("result", job)
    assert done.returncode == 10 and b"running" in done.stderr and done.stdout == b""
    done = root.og("wait", job, "--timeout", "500ms")
    assert done.returncode == 10 and done.stdout == b""

    result = {"text": "late", "tier": "T"}
    grid.on_rpc = lambda g, verb, body, properties: (
        {"state": "done", "result": result} if verb == "wait" else {"state": "queued"}
    )
    assert root.og("wait", job).stdout == b"late\n"
    grid.on_rpc = lambda g, verb, body, properties: {"state": "done", "result": result}
    assert root.og("result", job).stdout == b"late\n"
    assert json.loads(root.og("result", job, "--json").stdout) == {"id": job, "state": "done", **result}
    assert root.og("cancel", job).stdout == b"done\n"
    grid.on_rpc = lambda g, verb, body, properties: {"error": {"type": "not_found", "message": "no such job"}}
    assert [root.og(verb, job).returncode for verb in ("result", "wait", "cancel", "job")] == [9, 9, 9, 9]
    grid.on_rpc = lambda g, verb, body, properties: {"error": {"type": "result_gone", "message": "too old"}}
    assert root.og("result", job).returncode == 9


def test_a_chosen_id_is_told_to_be_one(root, grid):
    job = str(uuid.uuid4())
    grid.on_request = answers("once")
    assert root.og("prompt", "x", "--request-id", job).returncode == 0
    request = wait_request(grid)
    assert request.message_id == job and request.headers["og-explicit-id"] == 1


def test_where_and_under_which_name_a_prompt_runs(root, grid):
    drain_intake(grid)
    grid.on_request = answers("once")
    done = root.og("prompt", "x", "--session", "chat 7", "--region", "attic", "--class", "batch", "--idempotency-key", "order-7")
    assert done.returncode == 0, done.stderr
    request = wait_request(grid)
    headers = {k[3:]: v for k, v in request.headers.items()}
    assert (headers["session"], headers["region"], headers["class"]) == ("chat 7", "attic", "batch")
    tenant = request.user_id.partition("-")[2] or "default"
    space = uuid.uuid5(uuid.NAMESPACE_DNS, "opengateway")
    assert request.message_id == str(uuid.uuid5(space, f"{tenant}:order-7")) and headers["explicit-id"] == 1


def test_not_here_names_the_nodes_of_this_machine(root, grid, tmp_path):
    drain_intake(grid)
    grid.on_request = answers("elsewhere")
    here = Root(tmp_path / "here", root.cluster, secrets_of=root)
    done = here.og("prompt", "x", "--not-here")
    assert done.returncode == 0 and b"no node in " + root.cluster.encode() in done.stderr
    assert "og-avoid" not in wait_request(grid).headers
    (here.path / "services").mkdir()
    for name in ("NodeA", "NodeB"):
        (here.path / f"services/30-worker-{name.lower()}.ini").write_text(
            f"[service]\ncommand = /bin/og-worker\nenv.NODE_NAME = {name}\nenv.POC_CLUSTER_ID = {root.cluster}\n"
        )

    def node(name):
        return json.loads((here.path / f"nodes/{name}/node.json").read_text())["id"]

    assert here.og("prompt", "x", "--not-here").returncode == 0
    assert wait_request(grid).headers["og-avoid"].split(",") == [node("nodea"), node("nodeb")]
    assert here.og("prompt", "x", "--not-here", env={"NODE_NAME": "NodeB"}).returncode == 0
    assert wait_request(grid).headers["og-avoid"] == node("nodeb")


def test_attach_shows_what_comes_from_the_first_word_on(root, grid):
    job = str(uuid.uuid4())

    def on_rpc(g, verb, body, properties):
        assert (verb, body) == ("attach", {"id": job, "from": 0})
        request = pika.BasicProperties(reply_to=properties.reply_to, message_id=job)
        for seq, word in enumerate(("one ", "two ")):
            g.chunk(request, word, seq, attempt=2)
        g.say(request.reply_to, "result", "inference_response", job, b'{"text":"one two three"}', state="done")
        return {"state": "running", "attempt": 2}

    grid.on_rpc = on_rpc
    for args in (["attach", job], ["wait", "--stream", job]):
        done = root.og(*args)
        assert (done.returncode, done.stdout) == (0, b"one two three\n"), done.stderr


def close_connections(user):
    def named():
        return [c for c in api("GET", "/api/connections") if c.get("user") == user]

    wait_for("the connection shows in the management API", named, 20)
    for c in named():
        api("DELETE", "/api/connections/" + urllib.parse.quote(c["name"], safe=""))


def test_a_connection_that_is_cut_comes_back_and_asks_for_its_job(root, grid):
    result = {"text": "first and last", "tier": "T"}
    grid.on_rpc = lambda g, verb, body, properties: {"state": "done", "result": result}
    grid.on_request = lambda g, request, body: g.chunk(request, "first ", 0)
    process = root.start("prompt", "x", "--stream")
    wait_request(grid)
    close_connections(root.credentials("producer")[0])
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b"first and last\n"), err
    assert b"connection was lost" in err
    assert grid.rpcs.get(timeout=5)[0] == "attach"
