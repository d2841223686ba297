"""og as a user meets it: a prompt and its answer, and what may be in the way."""

import json
import os
import signal
import socket
import time
import uuid

import pytest
from og_rig import Root, answers, grid, root  # noqa: F401
from services import api, free_port

# ── a prompt and its answer ──


def test_the_answer_alone_goes_to_stdout(root, grid):
    grid.on_request = answers("Two and two is four.")
    done = root.og("prompt", "What is", "2+2?", "--max-tokens", "16", "--temperature", "0.5", "--seed", "0", "--stop", "\n")
    assert (done.returncode, done.stdout) == (0, b"Two and two is four.\n")
    assert b"placed on T, 2 ahead" in done.stderr and b"running on NodeB" in done.stderr
    properties, body = grid.requests.get(timeout=5)
    assert json.loads(body) == {
        "messages": [{"role": "user", "content": "What is 2+2?"}],
        "max_tokens": 16,
        "temperature": 0.5,
        "seed": 0,
        "stop": ["\n"],
    }
    assert properties.type == "inference_request" and properties.delivery_mode == 2
    assert properties.user_id == root.credentials("producer")[0] == properties.reply_to.split("~")[0]
    assert "og-stream" not in properties.headers, "into a pipe goes the whole answer, or nothing"
    assert root.og("prompt", "x", "--quiet").stderr == b""


def test_a_placed_that_was_overtaken_is_not_told(root, grid):
    grid.on_request = lambda g, request, body: g.say(
        request.reply_to, "started", "started", request.message_id, attempt=1, node_name="NodeB"
    )
    process = root.start("prompt", "x")
    assert process.stderr.readline() == b"og: running on NodeB\n"
    request, _ = grid.requests.get(timeout=5)

    def go_on():
        grid.say(request.reply_to, "placed", "placed", request.message_id, state="placed", tier="T")
        grid.ended(request, "expired", "expired", "late")  # by the same connection: behind it

    grid.connection.add_callback_threadsafe(go_on)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 4 and b"placed" not in err


def test_stdin_and_file(root, grid, tmp_path):
    grid.on_request = lambda g, request, body: g.done(request, json.loads(body)["messages"][-1]["content"])
    assert root.og("prompt", "-", input="käse\n".encode()).stdout == "käse\n".encode()
    (tmp_path / "prompt.txt").write_text("from a file")
    assert root.og("prompt", "--file", tmp_path / "prompt.txt", "--system", "Echo.").stdout == b"from a file\n"


def test_a_large_prompt_and_a_large_answer(root, grid):
    grid.on_request = lambda g, request, body: g.done(request, json.loads(body)["messages"][-1]["content"])
    text = "0123456789abcde\n" * (7 * 65536)
    assert root.og("prompt", "-", input=text.encode()).stdout == text.encode()


def test_a_pipe_gets_the_bytes_as_they_are(root, grid):
    grid.on_request = answers("\x1b[31mred\x07 ünï\n")
    assert root.og("prompt", "x").stdout == "\x1b[31mred\x07 ünï\n".encode()
    assert root.og("prompt", "x", env={"LC_ALL": "C"}).stdout == "\x1b[31mred\x07 ünï\n".encode()


def test_json(root, grid):
    grid.on_request = answers("four")
    shown = json.loads(root.og("prompt", "x", "--json").stdout)
    assert shown["state"] == "done" and shown["text"] == "four" and shown["response"] == {"object": "chat.completion"}
    grid.on_request = lambda g, request, body: g.ended(request, "failed", "engine_error", "no")
    done = root.og("prompt", "x", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"] == {"type": "engine_error", "message": "no"}


def test_streamed_into_a_pipe_words_come_one_by_one(root, grid):
    grid.on_request = lambda g, request, body: g.chunk(request, "first ", 0)
    process = root.start("prompt", "x", "--stream")
    assert os.read(process.stdout.fileno(), 100) == b"first "
    request, _ = grid.requests.get(timeout=5)
    grid.connection.add_callback_threadsafe(lambda: grid.done(request, "first last", 2))
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, b"last\n")


@pytest.mark.parametrize(
    "state, kind, status",
    [
        ("failed", "engine_error", 3),
        ("dead", "engine_cut", 3),
        ("expired", "expired", 4),
        ("cancelled", "cancelled", 5),
        ("busy", "busy", 6),
        ("no_capacity", "no_capacity", 7),
        ("failed", "unknown_model", 9),
    ],
)
def test_each_end_has_its_exit_status_and_its_reason(root, grid, state, kind, status):
    grid.on_request = lambda g, request, body: g.ended(request, state, kind, "nearest are Llama-3.2-3B")
    done = root.og("prompt", "x")
    assert (done.returncode, done.stdout) == (status, b"")
    assert f"{kind}: nearest are Llama-3.2-3B".encode() in done.stderr


# ── bad input ──


@pytest.mark.parametrize(
    "args, says",
    [
        (["prompt"], "no prompt"),
        (["prompt", ""], "the prompt is empty"),
        (["prompt", " \n"], "the prompt is empty"),
        (["prompt", "x", "--file", "/dev/null"], "not both"),
        (["prompt", "--file", "/no/such"], "cannot be opened"),
        (["prompt", b"caf\xe9"], "not valid UTF-8 at byte 3"),
        (["prompt", "x", "--class", "urgent"], "--class"),
        (["prompt", "x", "--max-tokens", "0"], "--max-tokens"),
        (["prompt", "x", "--temperature", "hot"], "--temperature"),
        (["prompt", "x", "--deadline", "soon"], "--deadline"),
        (["prompt", "x", "--request-id", "1"], "no UUID"),
        (["prompt", "x", "--tier", "T" * 200], "og-tier"),
        (["prompt", "x", "--idempotency-key", "k" * 10240], "10240 bytes"),
        (["prompt", "x", "--idempotency-key", ""], "--idempotency-key: is empty"),
        (["prompt", "x", "--idempotency-key", "k", "--request-id", str(uuid.uuid4())], "two ids"),
        (["prompt", "x", "--session", "s" * 200], "og-session"),
        (["attach", str(uuid.uuid4()), "--json"], "og wait --json"),
        (["prompt", "x", "--tmeout", "1"], "did you mean --timeout?"),
        (["prompt", "x", "--set", "broker.endpoint=x"], "endpoint"),
        (["wait", "1"], "no job's id"),
        (["cancel"], "an argument is missing"),
        (["jobs", "more"], "an argument too many"),
        (["prmpt", "x"], "did you mean `og prompt`?"),
    ],
)
def test_bad_usage_is_named_and_exits_with_2(root, args, says):
    done = root.og(*args)
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in done.stderr.decode(errors="replace")


def test_a_prompt_above_the_cap_and_one_that_is_no_text(root):
    done = root.og("prompt", "-", input=b"x" * (8 * 1024 * 1024 + 1))
    assert done.returncode == 2 and b"larger than 8 MiB" in done.stderr
    done = root.og("prompt", "-", input=b"ok \xff\xfe")
    assert done.returncode == 2 and b"not valid UTF-8 at byte 3 (0xff)" in done.stderr
    done = root.og("prompt", "-", input=b"a\0b")
    assert done.returncode == 2 and b"NUL at byte 1" in done.stderr


# ── no broker, a wrong one, no scheduler ──


def timed(root, *args, **more):
    began = time.monotonic()
    done = root.og(*args, **more)
    return done, time.monotonic() - began


def test_a_broker_that_is_not_there(root):
    done, took = timed(root, "prompt", "x", "--connect-timeout", "1s", env={"OG_BROKER": f"127.0.0.1:{free_port()}"})
    assert done.returncode == 8 and took < 5
    assert b"no connection to the broker" in done.stderr and b"og start" in done.stderr and done.stderr.count(b"\n") == 1


def test_a_broker_that_accepts_and_says_nothing(root):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        done, took = timed(root, "prompt", "x", "--connect-timeout", "1s", env={"OG_BROKER": address})
    assert done.returncode == 8 and took < 5


def test_a_wrong_password_and_a_wrong_cluster(root, tmp_path):
    other = Root(tmp_path / "other", root.cluster, secrets_of=root)
    other.secret("producer", root.credentials("producer")[0], "wrong")
    done, took = timed(other, "prompt", "x")
    assert done.returncode == 8 and took < 8, done.stderr
    assert b"producer.credentials" in done.stderr
    other.secret("producer", *root.credentials("producer"))
    done, took = timed(other, "prompt", "x", env={"POC_CLUSTER_ID": "nowhere"})
    assert done.returncode == 8 and took < 8 and b"nowhere" in done.stderr
    done = other.og("peers", "nowhere")
    assert done.returncode == 9 and b"nowhere" in done.stderr


def test_no_credentials(root, tmp_path):
    done = Root(tmp_path / "fresh", root.cluster).og("prompt", "x")
    assert done.returncode == 8 and b"producer.credentials" in done.stderr


def test_a_cluster_without_queues(root, tmp_path):
    bare = Root(tmp_path / "bare", "og-bare-" + uuid.uuid4().hex[:8], secrets_of=root)
    user = root.credentials("producer")[0]
    api("PUT", f"/api/vhosts/{bare.cluster}")
    api("PUT", f"/api/permissions/{bare.cluster}/{user}", {"configure": ".*", "write": ".*", "read": ".*"})
    try:
        for more in ([], ["--detach"]):
            done, took = timed(bare, "prompt", "x", "--connect-timeout", "2s", *more)
            assert done.returncode == 8 and took < 10, done.stderr
            assert b"og-broker-config apply" in done.stderr
    finally:
        api("DELETE", f"/api/vhosts/{bare.cluster}")


def test_a_full_intake_is_busy(root, tmp_path):
    name = "og-small-" + uuid.uuid4().hex[:8]
    small = Root(tmp_path / "small", name, "[scheduler]\nintake_max_jobs = 2\n", secrets_of=root).apply()
    statuses = []
    while 6 not in statuses and len(statuses) < 20:
        done, took = timed(small, "prompt", "x", "--detach")
        statuses.append(done.returncode)
    assert set(statuses) == {0, 6} and done.stdout == b"" and b"busy" in done.stderr
    api("DELETE", f"/api/vhosts/{small.cluster}")


def test_no_scheduler(root):
    process = root.start("prompt", "waits in the intake")
    assert b"no scheduler answers yet" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert b"cancelling" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    done, took = timed(root, "tiers")
    assert done.returncode == 8 and took < 15 and b"no scheduler answers" in done.stderr
