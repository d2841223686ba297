"""Bad input and broken surroundings, through the real chain: og, scheduler, RabbitMQ, Redis, worker, a stub engine. What each program
does on its own is in its own tests; here it is what the user meets, and that nothing is left behind."""

import json
import re
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pika
import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]

from grid import BUILD, CATALOGUE, TIER, Worker, run_worker  # noqa: E402
from network import Network, rabbit_of_environment  # noqa: E402
from services import Rabbit, Redis, wait_for  # noqa: E402
from worker_rig import stub, stub_text  # noqa: E402, F401

MIB = 1024 * 1024
QUICK = "first_byte_timeout = 1s\nidle_timeout = 1s\n"
BUSY_QUEUES = ("og.jobs.intake", "og.tier.smollm2-135m", "og.state", "og.state.later", "og.retry", "og.delay.1s", "og.delay.5s")


class Chain(Network):
    """A network whose queues can be counted, and whose user meets errors."""

    def __init__(self, root, rabbit, engine, **more):
        self.own_redis = Redis(root / "redis").start()
        name = "bad-" + uuid.uuid4().hex[:8]
        super().__init__(root / "r", name, BUILD, rabbit, self.own_redis, engine, catalogue=CATALOGUE, **more)

    def og(self, *args, **more):
        return self.run("og", *args, **{"timeout": 30, **more})

    def scheduler(self):
        """What `og status` says of it; its exit status is of the node's services, which are not kept by og here."""
        return json.loads(self.og("status", "--json").stdout)["scheduler"]

    def connect(self, role):
        user, password = (self.root / f"secrets/{role}.credentials").read_text().split()
        to = pika.ConnectionParameters("127.0.0.1", self.rabbit.port, self.cluster, pika.PlainCredentials(user, password))
        return pika.BlockingConnection(to)

    def counts(self):
        lanes = [f"og.wait.smollm2-135m.{c}.{k}" for c in ("high", "normal", "batch") for k in range(8)]
        connection = self.connect("admin")
        channel = connection.channel()
        names = [*BUSY_QUEUES, *lanes, "og.dead.intake"]
        counts = {q: channel.queue_declare(q, passive=True).method.message_count for q in names}
        connection.close()
        return {q: n for q, n in counts.items() if n}

    def loses_nothing(self, job=None, state=None):
        """No message is left anywhere but in the dead letters, and the job's record tells its end."""
        wait_for(f"empty queues: {self.counts()}", lambda: not self.counts(), 10)
        if job:
            record = self.json("job", job)["job"]
            assert record["state"] == state and int(record["ended_ms"]) > 0, record

    def dead_letters(self):
        """What lies in og.dead, which stays there."""
        connection, found = self.connect("admin"), []
        channel = connection.channel()
        while (got := channel.basic_get("og.dead"))[0]:
            found.append(got[1:])
        connection.close()
        return found

    def newest(self):
        return self.json("jobs", "--limit", "1")["jobs"][0]["id"]

    def fails(self, status, *args, says=(), within=10, lines=4, **more):
        """og ends so, in time, with this on stderr and nothing on stdout."""
        done = self.og(*args, **more)
        err = done.stderr.decode(errors="replace")
        assert (done.returncode, done.stdout or b"") == (status, b""), err
        assert done.took < within, f"{done.took:.1f} s: {err}"
        for words in [says] if isinstance(says, str) else says:
            assert words in err, err
        assert err.count("\n") <= lines and "ERROR: " not in err, err  # a few lines; no word of a sanitizer
        return err

    def stop(self):
        super().stop()
        codes = {name: p.process.returncode for name, p in self.processes.items()}
        self.own_redis.stop()
        assert set(codes.values()) <= {0}, codes


@pytest.fixture(scope="module")
def chain(tmp_path_factory, stub):
    engine = f"kind = openai\nurl = {stub.url}\n{QUICK}"
    settings = "[scheduler]\nno_capacity_after = 1s\nmax_attempts = 2\n"
    c = Chain(tmp_path_factory.mktemp("chain"), rabbit_of_environment(), engine, settings=settings)
    try:
        c.up()
        led_since = c.scheduler()["leading_since_ms"]
        wait_for("the leader to know the fleet", lambda: time.time() * 1000 - led_since > 4000, 10)  # before, it refuses nobody
        yield c
    finally:
        c.stop()


def job_in(err):
    return re.search(r".*\(job ([0-9a-f-]{36})", err, re.DOTALL)[1]


def answers(chain, text=b"tok0 tok1 \n"):
    """All is well (again)."""
    done = chain.og("prompt", stub_text(tokens=2))
    assert (done.returncode, done.stdout) == (0, text), done.stderr
    chain.loses_nothing(chain.newest(), "done")


def answers_again(chain):
    """A worker whose engine failed several runs in a row stands aside for a while; a run that goes well is a new beginning."""
    wait_for("the worker serves", chain.serving, 25)
    answers(chain)


# ── the prompt ──


@pytest.mark.parametrize(
    ("args", "prompt", "says"),
    [
        (["prompt", ""], None, "the prompt is empty"),
        (["prompt", "-"], b"", "the prompt is empty"),
        (["prompt", "-"], b"caf\xe9", "not valid UTF-8 at byte 3 (0xe9)"),
        (["prompt", "-"], b"x" * (8 * MIB + 1), "larger than 8 MiB"),
        (["prompt", "-"], b'"' * (8 * MIB - 1000), "larger than 8 MiB"),  # as JSON
    ],
    ids=["empty", "empty-stdin", "utf-8", "large", "large-as-json"],
)
def test_a_prompt_that_is_none_reaches_nobody(chain, stub, args, prompt, says):
    stub.reset()
    chain.fails(2, *args, **({"input": prompt} if prompt is not None else {}), says=says)
    assert not stub.requests()
    chain.loses_nothing()


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (("--tier", "SmolLM2-153M"), ["unknown_model", "SmolLM2-153M", "SmolLM2-135M"]),
        (("--model", "smolm2"), ["unknown_model", "smolm2", "SmolLM2-135M"]),
        (("--tier", "Huge"), ["no_capacity", "Huge"]),
    ],
    ids=["tier", "model", "nobody"],
)
def test_a_tier_or_model_that_nobody_has(chain, option, says):
    status = 7 if option[1] == "Huge" else 9
    err = chain.fails(status, "prompt", "x", *option, says=says)
    job = job_in(err)
    chain.loses_nothing(job, "no_capacity" if status == 7 else "failed")


def test_an_answer_up_to_the_cap_and_one_above_it(chain, stub):
    stub.reset()
    fits = chain.og("prompt", stub_text(tokens=15, bytes=MIB // 2))
    assert fits.returncode == 0 and len(fits.stdout) == 15 * MIB // 2 + 1, fits.stderr
    job = chain.newest()
    again = chain.og("result", job)
    assert (again.returncode, again.stdout) == (0, fits.stdout), again.stderr
    chain.loses_nothing(job, "done")
    for more in ((), ("--stream",)):
        if more:  # what was printed as it came cannot be taken back
            done = chain.og("prompt", stub_text(tokens=160, bytes=65536), *more)
            assert done.returncode == 3 and b"too_large" in done.stderr
        else:
            chain.fails(3, "prompt", stub_text(tokens=160, bytes=65536), says=["too_large", "8 MiB", "fewer tokens"])
        chain.loses_nothing(chain.newest(), "failed")


def test_what_cannot_be_read_is_put_aside_and_told(chain):
    """og cannot be made to say it: a stranger does."""
    connection = chain.connect("producer")
    user = (chain.root / "secrets/producer.credentials").read_text().split()[0]
    reply, job, told = f"{user}~{uuid.uuid4().hex}", str(uuid.uuid4()), []
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(f"og.reply.{reply}", exclusive=True, auto_delete=True)
    channel.queue_bind(f"og.reply.{reply}", "og.replies", f"{reply}.*")
    channel.basic_consume(f"og.reply.{reply}", lambda _c, _m, p, body: told.append((p, json.loads(body))), auto_ack=True)
    properties = pika.BasicProperties(
        type="inference_request", message_id=job, correlation_id=job, reply_to=reply, user_id=user, delivery_mode=2,
        headers={"og-version": "9.0", "og-tier": TIER},
    )  # fmt: skip
    channel.basic_publish("og.jobs", "job", b'{"prompt":"hello"}', properties, mandatory=True)
    wait_for("the answer", lambda: connection.process_data_events(0.05) or told, 10)
    assert told[0][0].headers["og-state"] == "failed"
    assert told[0][1]["error"]["type"] == "unknown_version" and "9.0" in told[0][1]["error"]["message"]
    connection.close()
    chain.loses_nothing()
    (letter,) = [letter for letter in chain.dead_letters() if letter[0].message_id == job]
    assert letter[1] == b'{"prompt":"hello"}' and letter[0].headers["og-error"] == "unknown_version"
    answers(chain)


# ── the engine ──


@pytest.mark.parametrize(
    ("directives", "says"),
    [
        ({"status": 500}, ["engine_unavailable", "500", "the stub says no"]),
        ({"fault": "garbage", "after": 1}, ["engine_garbage", "no JSON"]),
        ({"fault": "stall", "after": 2}, ["engine_stalled", "within 1000 ms"]),
        ({"fault": "stall_headers"}, ["engine_stalled", "within 1000 ms"]),
        ({"fault": "cut", "after": 2}, ["engine_cut"]),
    ],
    ids=lambda v: "-".join(map(str, v.values())) if isinstance(v, dict) else None,
)
def test_an_engine_that_fails(chain, stub, directives, says):
    """Each attempt of all that there are: then the job is a dead letter, and its submitter is told."""
    stub.reset()
    answers_again(chain)
    text = "please " + stub_text(**directives)
    err = chain.fails(3, "prompt", text, says=[*says, "attempt 2 begins", "2 of 2"], within=20, lines=10)
    job = job_in(err)
    chain.loses_nothing(job, "dead")
    assert len(stub.requests("please")) == 2
    assert "please" not in (chain.root / "og-worker.log").read_text(), "the user's text is never logged"


def test_an_engine_that_refuses_the_prompt(chain, stub):
    stub.reset()
    answers_again(chain)
    err = chain.fails(3, "prompt", "please " + stub_text(status=400, message="too_long"), says=["engine_error", "too_long"])
    chain.loses_nothing(job_in(err), "failed")
    assert len(stub.requests("please")) == 1, "another try would end as this one"


def test_an_engine_that_fails_once(chain, stub):
    """The second attempt answers: of the first one's words nothing is left in the answer."""
    stub.reset()
    answers_again(chain)
    done = chain.og("prompt", "please " + stub_text(fault="cut", after=1, times=1))
    assert (done.returncode, done.stdout) == (0, b"".join(b"tok%d " % i for i in range(8)) + b"\n"), done.stderr
    assert b"attempt 2 begins: engine_cut" in done.stderr
    chain.loses_nothing(chain.newest(), "done")


def test_an_engine_that_goes_down_and_comes_back(chain, stub):
    stub.reset()
    answers_again(chain)
    waits = chain.og("prompt", stub_text(tokens=60, pace_ms=50), "--detach").stdout.decode().strip()
    wait_for("the engine to run it", lambda: stub.requests("tokens=60"), 10)
    stub.kill_now()
    try:
        wait_for("nobody serves", lambda: not chain.serving(), 20)
        time.sleep(1)  # no_capacity_after: until then it might come back
        for option in (("--tier", TIER), ()):
            err = chain.fails(7, "prompt", "x", *option, says="no_capacity")
            assert chain.json("job", job_in(err))["job"]["state"] == "no_capacity"
        assert "Not serving" in (chain.root / "og-worker.log").read_text()
    finally:
        stub.start()
    done = chain.og("wait", waits)
    assert done.returncode == 0 and done.stdout.endswith(b"tok59 \n"), done.stderr
    chain.loses_nothing(waits, "done")
    answers_again(chain)


# ── broker and Redis ──


def other_root(chain, folder):
    """A root like the chain's, of another user or node."""
    folder.mkdir()
    for name in ("config.ini", "catalogue.ini"):
        shutil.copy(chain.root / name, folder)
    shutil.copytree(chain.root / "secrets", folder / "secrets")
    return folder


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"POC_CLUSTER_ID": "nowhere"}, ["nowhere"]),
        ({"OG_BROKER": "127.0.0.1:9"}, ["127.0.0.1:9", "og start"]),
        ({}, ["producer.credentials"]),
    ],
    ids=["vhost", "down", "password"],
)
def test_a_broker_that_is_away_or_refuses(chain, tmp_path, env, says):
    root = other_root(chain, tmp_path / "other")
    if not env:
        file = root / "secrets/producer.credentials"
        file.write_text(file.read_text().split()[0] + " wrong\n")
    env = {"OPENGATEWAY_POC_ROOT": str(root), **env}
    for verb in (["prompt", "x"], ["prompt", "x", "--detach"], ["jobs"]):
        chain.fails(8, *verb, "--connect-timeout", "1s", env=env, says=says)
    chain.loses_nothing()


def test_an_unknown_cluster(chain):
    chain.fails(9, "peers", "nowhere", says="nowhere")
    chain.fails(9, "connect", "nowhere", says="nowhere")


def test_redis_away_and_back(chain, stub):
    """It is a view, not the truth: prompts are answered without it, and their records are made up for."""
    stub.reset()
    chain.own_redis.kill()
    try:
        done = chain.og("prompt", stub_text(tokens=2), "--json")
        assert done.returncode == 0, done.stderr
        job = json.loads(done.stdout)["id"]
        chain.fails(6, "result", job, says="Redis")
        assert chain.scheduler()["redis"] != "up"
    finally:
        chain.own_redis.start()
    wait_for("its result", lambda: chain.og("result", job).stdout == b"tok0 tok1 \n", 15)
    chain.loses_nothing(job, "done")


def test_a_broker_that_takes_back_what_is_held_too_long(tmp_path, stub):
    """Its consumer_timeout closes the worker's channel, again and again, under two runs: both go on, and end once."""
    stub.reset()
    rabbit = Rabbit(tmp_path / "rabbit").start()
    chain = Chain(tmp_path, rabbit, f"kind = openai\nurl = {stub.url}\n")
    try:
        limits = "application:set_env(rabbit, consumer_timeout, 1500), application:set_env(rabbit, channel_tick_interval, 300)."
        control = [Path("/usr/lib/rabbitmq/bin/rabbitmqctl"), "-q", "eval", limits]
        subprocess.run(control, env=rabbit.environment(), check=True, capture_output=True, timeout=30)
        chain.up()
        texts = ["one " + stub_text(tokens=100, pace_ms=50), "two " + stub_text(tokens=101, pace_ms=50)]
        jobs = [chain.og("prompt", text, "--detach").stdout.decode().strip() for text in texts]
        for job, text in zip(jobs, texts, strict=True):
            done = chain.og("wait", job)
            assert done.returncode == 0 and done.stdout.startswith(b"tok0 tok1 "), done.stderr
            assert len(stub.requests(text)) == 1, "it was not run twice"
            chain.loses_nothing(job, "done")
        log = (chain.root / "og-worker.log").read_text()
        assert log.count("timed out") >= 1 and log.count("Back in the cluster") >= 2, log[-3000:]
    finally:
        chain.stop()
        rabbit.stop()


def test_a_broker_whose_disk_is_full(tmp_path):
    """It takes connections, and no messages (an alarm): og says so and gives up in time; then all goes on by itself."""
    full = Rabbit(tmp_path / "rabbit").start()
    chain = Chain(tmp_path, full, "kind = echo\n")
    try:
        chain.up()

        def limit(text):
            control = [Path("/usr/lib/rabbitmq/bin/rabbitmqctl"), "-q", "eval"]
            code = f"rabbit_disk_monitor:set_disk_free_limit({text})."
            subprocess.run([*control, code], env=full.environment(), check=True, capture_output=True, timeout=30)

        limit("1000000000000000")
        chain.fails(6, "prompt", "x", "--connect-timeout", "2s", says=["takes no messages", "low on disk", "try again"])
        # Longer than a worker may be silent: nobody's heartbeat comes through, and nobody is taken for lost.
        log = chain.root / "og-scheduler.log"
        time.sleep(13)
        assert "was lost" not in log.read_text()
        limit("1000000")
        done = chain.og("prompt", "again")
        assert (done.returncode, done.stdout) == (0, b"again\n"), done.stderr
        chain.loses_nothing(chain.newest(), "done")
        time.sleep(3)  # as long as a confirm counts as news
        assert "was lost" not in log.read_text()
    finally:
        chain.stop()
        full.stop()


# ── files ──


@pytest.mark.parametrize("spoilt", ["", '{"version": 1, "gauged_at"', '{"version": 99}', "[]", "\xff"], ids=range(5))
def test_a_profile_that_is_cut_or_foreign(chain, tmp_path, spoilt):
    """It is not believed, and the file and the way to mend it are told; what the machine has now is shown all the same."""
    root = other_root(chain, tmp_path / "other")
    (root / "resources.json").write_text(spoilt)
    env = {"OPENGATEWAY_POC_ROOT": str(root)}
    done = chain.og("resources", env=env)
    assert done.returncode == 0 and b"RAM" in done.stdout
    assert b"resources.json" in done.stderr and b"og-gauge" in done.stderr, done.stderr
    assert chain.run("og-gauge", env=env).returncode == 0
    assert chain.og("resources", env=env).stderr == b""


def test_a_worker_with_a_spoilt_profile_serves(chain, stub, tmp_path):
    """It gauges the machine itself."""
    stub.reset()
    root = other_root(chain, tmp_path / "other")
    (root / "resources.json").write_text('{"version": 1, "gau')
    w = Worker(root, name="NodeS", engine=stub.url).start().wait_state("serving")
    w.leave()


@pytest.mark.parametrize(
    ("program", "status"), [("og", 2), ("og-worker", 1), ("og-scheduler", 1), ("og-broker-config", 3), ("og-gauge", 3)]
)
def test_a_catalogue_with_a_mistake(chain, tmp_path, program, status):
    """File, line and key, from whoever reads it; nobody starts with half of it."""
    root = other_root(chain, tmp_path / "other")
    text = (root / "catalogue.ini").read_text().replace("ram_gib = 0.5", "ram_gib = plenty", 1)
    (root / "catalogue.ini").write_text(text)
    line = 1 + text.splitlines().index("ram_gib = plenty")
    args = {"og": ["eligible"], "og-gauge": ["--eligible"], "og-broker-config": ["check"]}.get(program, [])
    done = chain.run(program, *args, env={"OPENGATEWAY_POC_ROOT": str(root)})
    err = done.stderr.decode()
    assert done.returncode == status and done.stdout == b"" and done.took < 5, err
    assert f"catalogue.ini:{line}" in err and "ram_gib" in err and "plenty" in err, err


def test_a_full_disk_under_stdout(chain):
    """The answer cannot be written: that is said, and the cluster still has it."""
    with open("/dev/full", "wb") as full:
        done = chain.og("prompt", stub_text(tokens=2), stdout=full)
    job = chain.newest()
    assert done.returncode == 1 and b"No space left on device" in done.stderr, done.stderr
    assert f"og result {job}".encode() in done.stderr
    chain.loses_nothing(job, "done")
    assert chain.og("result", job).stdout == b"tok0 tok1 \n"


# ── twice ──


def test_two_nodes_of_one_name(chain, stub, tmp_path):
    stub.reset()
    log = chain.root / "og-worker.log"
    w = Worker(other_root(chain, tmp_path / "other"), name="NodeA", engine=stub.url).start().wait_state("serving")
    try:
        w.wait_log("Another node has this node's name")
        wait_for("the other's warning", lambda: "Another node has this node's name" in log.read_text(), 10)
        assert "NODE_NAME" in w.text()
        peers = chain.json("peers")["peers"]
        assert [p["name"] for p in peers] == ["NodeA", "NodeA"] and len({p["id"] for p in peers}) == 2
        jobs = [chain.og("prompt", stub_text(tokens=20, pace_ms=50), "--detach").stdout.decode().strip() for _ in range(4)]
        records = []
        for job in jobs:
            assert chain.og("wait", job).returncode == 0
        for job in jobs:
            chain.loses_nothing(job, "done")
            records.append(chain.json("job", job)["job"])
        assert len({r["node"] for r in records}) == 2, "both work"
    finally:
        w.leave()


def test_started_twice(chain, stub):
    text, code = run_worker(Worker(chain.root, name="NodeA", engine=stub.url))
    assert code == 1 and "already runs" in text.splitlines()[-1] and "another number" in text.splitlines()[-1], text
    answers(chain)
