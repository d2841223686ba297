"""og as a user meets it: a real broker, and in place of scheduler and worker a grid that each test scripts."""

import json
import os
import pty
import queue
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import pika
import pytest

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("OG_BUILD", REPO / "build/asan"))
OG = BUILD / "og"
sys.path.insert(0, str(REPO / "tests"))

from support.services import api, free_port, wait_for  # noqa: E402

VERSION = "1.0"
ESCAPE = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")


class Root:
    """A data root and the environment that belongs to it."""

    def __init__(self, folder, cluster, settings="", secrets_of=None):
        self.path, self.cluster = Path(folder), cluster
        self.path.mkdir(parents=True, exist_ok=True)
        if secrets_of:  # users belong to the broker, not to a cluster
            shutil.copytree(secrets_of.path / "secrets", self.path / "secrets")
        else:
            (self.path / "secrets").mkdir()
        (self.path / "config.ini").write_text(
            f"[cluster]\nid = {cluster}\n"
            f"[broker]\nendpoints = {os.environ['OG_TEST_AMQP']}\nmanagement = {os.environ['OG_TEST_MANAGEMENT']}\n"
            + settings
        )
        self.secret("admin", os.environ["OG_TEST_ADMIN_USER"], os.environ["OG_TEST_ADMIN_PASSWORD"])

    def secret(self, role, user, password):
        path = self.path / "secrets" / f"{role}.credentials"
        path.unlink(missing_ok=True)
        path.touch(0o600)
        path.write_text(f"{user} {password}\n")

    def credentials(self, role):
        return (self.path / "secrets" / f"{role}.credentials").read_text().split()

    def environment(self, **extra):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OG_", "POC_", "OPENGATEWAY_", "NODE_", "LC_"))}
        return {**kept, "OPENGATEWAY_POC_ROOT": str(self.path), "LC_ALL": "C.UTF-8", **extra}

    def apply(self):
        done = subprocess.run(
            [BUILD / "og-broker-config", "apply"], env=self.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return self

    def og(self, *args, env=None, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        if "input" in more:
            del more["stdin"]
        return subprocess.run(
            [OG, *args], env=self.environment(**(env or {})), capture_output=True, timeout=60, check=False, **more
        )

    def start(self, *args, **more):
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([OG, *args], env=self.environment(), stdin=subprocess.DEVNULL, **more)


class Grid(threading.Thread):
    """In place of scheduler and worker. `on_request(grid, properties, body)` and `on_rpc(grid, verb, body, properties)`
    may be set by a test; an RPC's answer is what on_rpc returns (None: no answer)."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root = root
        self.requests, self.rpcs = queue.Queue(), queue.Queue()
        self.on_request = self.on_rpc = None
        self.stopping = False
        self.ready = threading.Event()

    def connect(self, role):
        user, password = self.root.credentials(role)
        host, port = os.environ["OG_TEST_AMQP"].split(":")
        credentials = pika.PlainCredentials(user, password)
        return pika.BlockingConnection(
            pika.ConnectionParameters(host, int(port), self.root.cluster, credentials, heartbeat=0)
        )

    def run(self):
        self.connection, worker = self.connect("scheduler"), self.connect("worker")
        self.channels = {"scheduler": self.connection.channel(), "worker": worker.channel()}
        for channel in self.channels.values():
            channel.confirm_delivery()  # what two connections say arrives in the order in which it was said
        self.channels["scheduler"].basic_consume("og.jobs.intake", self.from_intake)
        self.channels["scheduler"].basic_consume("og.rpc", self.from_rpc)
        self.ready.set()
        while not self.stopping:
            self.connection.process_data_events(0.05)
        worker.close()
        self.connection.close()

    def from_intake(self, channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        self.requests.put((properties, body))
        if self.on_request:
            self.on_request(self, properties, body)

    def from_rpc(self, channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        verb = properties.headers["og-verb"]
        body = json.loads(body)
        self.rpcs.put((verb, body))
        answer = self.on_rpc(self, verb, body, properties) if self.on_rpc else None
        if answer is not None:
            self.say(properties.reply_to, "rpc", "rpc_reply", properties.message_id, json.dumps(answer).encode())

    def say(self, reply, what, kind, job, body=b"", **headers):
        role = "worker" if "attempt" in headers else "scheduler"
        self.channels[role].basic_publish(
            "og.replies",
            f"{reply}.{what}",
            body,
            pika.BasicProperties(
                type=kind,
                message_id=job,
                correlation_id=job,
                user_id=self.root.credentials(role)[0],
                headers={"og-version": VERSION, **{"og-" + k.replace("_", "-"): v for k, v in headers.items()}},
            ),
        )

    def chunk(self, request, text, seq, attempt=1, run=0):
        body = json.dumps({"choices": [{"delta": {"content": text}}]}).encode()
        self.say(request.reply_to, "chunk", "inference_chunk", request.message_id, body, seq=seq, attempt=attempt, run=run)

    def done(self, request, text, chunks=0, attempt=1, run=0):
        body = json.dumps({"response": {"object": "chat.completion"}, "text": text, "tier": "T"}).encode()
        headers = {"state": "done", "seq": chunks, "attempt": attempt, "run": run}
        self.say(request.reply_to, "done", "inference_response", request.message_id, body, **headers)

    def ended(self, request, state, kind, message):
        body = json.dumps({"error": {"type": kind, "message": message}}).encode()
        headers = {"state": state, "error": kind}
        self.say(request.reply_to, "done", "inference_response", request.message_id, body, **headers)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return Root(tmp_path_factory.mktemp("og"), "og-" + uuid.uuid4().hex[:8]).apply()


@pytest.fixture
def grid(root):
    g = Grid(root)
    g.start()
    assert g.ready.wait(10)
    yield g
    g.stopping = True
    g.join(10)
    assert not g.is_alive()


def answers(text, **more):
    """A script: one chunk a word, then done."""

    def script(grid, request, body):
        words = re.findall(r"\S+\s*", text)
        grid.say(request.reply_to, "placed", "placed", request.message_id, state="placed", tier="T", ahead=2)
        grid.say(request.reply_to, "started", "started", request.message_id, attempt=1, node_name="NodeB")
        for seq, word in enumerate(words):
            if request.headers.get("og-stream"):
                grid.chunk(request, word, seq)
        grid.done(request, text, len(words), **more)

    return script


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


# ── cancel ──


def wait_request(grid):
    return grid.requests.get(timeout=20)[0]


def drain_intake(grid):
    while True:
        try:
            grid.requests.get(timeout=0.2)
        except queue.Empty:
            return


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


# ── tables ──

TABLES = {
    "jobs": {"jobs": [{"id": "1", "state": "done", "tier": "T", "class": "high", "accepted_ms": 1, "ended_ms": 2, "node_name": "NodeB"}]},
    "tiers": {"tiers": [{"id": "T", "workers": 1, "slots": 4, "busy": 1, "waiting": 7, "cpu_cores": 2, "ram_gib": 1.5}]},
    "peers": {
        "peers": [
            {"name": "NodeA", "serve": True, "workers": [{"tier": "T", "model": "m", "slots": 4, "busy": 1, "seen_ms_ago": 1200}]},
            {"name": "NodeC", "serve": False, "workers": []},
        ]
    },
}


@pytest.mark.parametrize("verb", TABLES)
def test_tables_and_the_same_as_json(root, grid, verb):
    grid.on_rpc = lambda g, asked, body, properties: TABLES[asked]
    done = root.og(verb)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    rows = TABLES[verb][verb]
    assert len(lines) == 1 + len(rows)
    for row, line in zip(rows, lines[1:]):
        assert line.split()[0] in (row.get("id"), row.get("name"))
    assert json.loads(root.og(verb, "--json").stdout) == TABLES[verb]


def test_job(root, grid):
    record = {"id": str(uuid.uuid4()), "state": "done", "attempt": 1, "accepted_ms": 1700000000123, "queue_ms": 7, "node_name": "No\x1bde"}
    grid.on_rpc = lambda g, verb, body, properties: {"job": record}
    out = root.og("job", record["id"]).stdout.decode()
    assert re.search(r"^accepted +2023-11-14T22:13:20.123Z$", out, re.M), out
    assert re.search(r"^attempt +1$", out, re.M) and re.search(r"^queue_ms +7$", out, re.M)
    assert "\x1b" not in out


# ── terminals ──


def on_terminal(root, *args, **env):
    """Runs og with stdout and stderr on one pseudo-terminal; (exit status, what it showed)."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [OG, *args], env=root.environment(TERM="xterm", **env), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    end = time.monotonic() + 30
    while time.monotonic() < end and select.select([ours], [], [], 1)[0] or process.poll() is None:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        shown += piece
    os.close(ours)
    return process.wait(10), shown


def test_a_terminal_sees_words_as_they_come_and_no_control_characters(root, grid):
    grid.on_request = answers("\x1b]0;owned\x07\x1b[2Jhello grüße\r\n")
    status, shown = on_terminal(root, "prompt", "x")
    request = wait_request(grid)
    assert status == 0 and request.headers["og-stream"] == 1
    answer = ESCAPE.sub(b"", shown)
    assert answer.endswith("]0;owned[2Jhello grüße\r\n".encode()), shown
    assert b"\x07" not in shown and b"\x1b]" not in shown and b"\x1b[2J" not in shown
    assert "⠋".encode() in shown or "⠙".encode() in shown, "the spinner"


def test_a_terminal_that_is_not_utf_8(root, grid):
    grid.on_request = answers("hello grüße 你好")
    status, shown = on_terminal(root, "prompt", "x", LC_ALL="C")
    assert status == 0 and max(shown) < 128
    assert re.search(rb"hello gr.{1,2}(ss|\?)e \?\?\r\n", shown), shown
    assert re.search(rb"[|/\\-] running on NodeB", shown), shown


def test_a_second_attempt_is_set_apart_on_a_terminal(root, grid):
    def script(g, request, body):
        g.chunk(request, "half", 0)
        g.chunk(request, "whole", 0, run=1)
        g.chunk(request, " lost", 1)
        g.done(request, "whole", 1, run=1)

    grid.on_request = script
    status, shown = on_terminal(root, "prompt", "x")
    lines = ESCAPE.sub(b"", shown).decode().replace("\r\n", "\n").replace("\r", "").splitlines()
    assert status == 0
    assert lines[-3].endswith("half") and "og: a new attempt begins" in lines[-2] and lines[-1] == "whole", lines


# ── help ──


def test_every_verb_has_help(root):
    overview = root.og("help").stdout.decode()
    verbs = re.findall(r"^  ([a-z]+) .*", overview.split("exit status")[0], re.M)
    assert {"prompt", "wait", "status", "connect", "resources"} <= set(verbs)
    for verb in [*verbs, "join", "leave"]:
        done = root.og(verb, "--help")
        assert done.returncode == 0 and done.stdout.startswith(b"usage: og "), verb
    assert root.og("--version").stdout.startswith(b"og ")


def test_the_reference_is_what_the_program_says():
    page = (REPO / "docs/CLI.md").read_text()
    said = subprocess.run([OG, "help", "--markdown"], capture_output=True, text=True, check=True).stdout
    assert said in page, "docs/CLI.md: replace its reference by the output of `og help --markdown`"
