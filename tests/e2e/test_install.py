"""The main job, as the README tells it: one command on a machine, and a real model answers."""

import os
import signal
import time
import uuid

import pytest

from conftest import REPO, Installation
from support.services import wait_for


@pytest.fixture(scope="module")
def node(home):
    node = Installation(home)
    yield node
    node.remove()


@pytest.fixture(scope="module")
def answered(node):
    """What the first run of the installer printed."""
    return node.install(NODE_NAME="NodeA", POC_SERVE="1", POC_PROMPT="What is 2+2?")


def test_first_run_prints_the_answer_and_nothing_else(answered):
    assert answered.stdout.strip(), answered.stderr
    assert "[5/5]" in answered.stderr and "[5/5]" not in answered.stdout


def test_steps_come_in_order(answered):
    at = [answered.stderr.index(f"[{n}/5]") for n in range(1, 6)]
    assert at == sorted(at)


def test_second_run_is_quick_and_answers(node, answered):
    start = time.monotonic()
    again = node.install(NODE_NAME="NodeA", POC_SERVE="1", POC_PROMPT="What is 2+2?")
    assert again.stdout.strip()
    assert time.monotonic() - start < 10


def test_through_a_pipe(node, answered):
    with open(REPO / "scripts/install.sh", encoding="utf-8") as script:
        done = node.run("bash", stdin=script, NODE_NAME="NodeA", POC_SERVE="1", OPENGATEWAY_SOURCE=f"file://{REPO}", POC_PROMPT="Say hi.")
    assert done.stdout.strip()


def test_through_process_substitution(node, answered):
    done = node.run(
        "bash", "-c", f"bash <(cat {REPO}/scripts/install.sh)", NODE_NAME="NodeA", POC_SERVE="1",
        OPENGATEWAY_SOURCE=str(REPO), POC_PROMPT="Say hi.",
    )
    assert done.stdout.strip()


def test_a_pipe_without_source_says_what_to_do(node, answered, tmp_path):
    with open(REPO / "scripts/install.sh", encoding="utf-8") as script:
        done = node.run("bash", stdin=script, check=False, OPENGATEWAY_POC_ROOT=str(tmp_path / "r"))
    assert done.returncode == 1 and "OPENGATEWAY_SOURCE" in done.stderr and done.stdout == ""


def test_answer_travelled_and_is_recorded(node, answered):
    job_id = str(uuid.uuid4())
    answer = node.og("prompt", "--request-id", job_id, "--temperature", "0", "What is 2+2?").stdout
    result = node.og_json("result", job_id)
    assert result["state"] == "done"
    assert answer.strip() == result["text"].strip()
    assert result["node"]["name"] == "NodeA"
    assert result["response"]["usage"]["completion_tokens"] > 0
    assert any(job["id"] == job_id for job in node.og_json("jobs")["jobs"])


def test_same_request_id_is_answered_not_run_again(node, answered):
    job_id = str(uuid.uuid4())
    first = node.og("prompt", "--request-id", job_id, "Name a colour.").stdout
    assert node.og("prompt", "--request-id", job_id, "Name a colour.").stdout == first


@pytest.mark.parametrize("verb", ["status", "clusters", "resources", "eligible", "peers", "tiers", "jobs"])
def test_tables_have_json(node, answered, verb):
    assert node.og(verb).stdout.strip()
    assert node.og_json(verb) is not None


def test_nobody_is_guest_and_secrets_are_private(node, answered):
    for folder in ("secrets", "rabbitmq", "redis"):
        for path in (node.root / folder).rglob("*"):
            assert path.is_dir() or path.is_socket() or not path.stat().st_mode & 0o077, path
    assert "guest" not in "".join(p.read_text() for p in (node.root / "secrets").iterdir())


def test_a_killed_worker_comes_back(node, answered):
    def worker_pid():
        services = node.og_json("status", check=False)["node"]["services"]  # it is not well while a worker is away
        return next(s["pid"] for s in services if s["name"] == "worker-nodea")

    before = worker_pid()
    os.kill(before, signal.SIGKILL)
    wait_for("another worker process", lambda: worker_pid() not in (0, before), 30)
    assert node.og("prompt", "Say hi.", timeout=90).stdout.strip()


def test_stop_and_start(node, answered):
    job = str(uuid.uuid4())
    before = node.og("prompt", "--request-id", job, "Say hi.").stdout
    node.og("stop")
    down = node.og("prompt", "Say hi.", check=False)
    assert down.returncode == 8 and down.stdout == "" and down.stderr.strip()
    node.og("start", timeout=120)
    assert node.og("prompt", "Say hi.", timeout=90).stdout.strip()
    assert node.og("result", job).stdout == before, "Redis kept it over its restart"


def members(node):
    return {peer["name"] for peer in node.og_json("peers")["peers"]}


def test_three_nodes_scenario(node, answered):
    done = node.run(REPO / "scripts/run-poc.sh", timeout=300)
    for text in ("Joined cluster gatewayai-poc", "Peers: [NodeA]", "Peers: [NodeB]", "Peers: [NodeA, NodeB]", "done: one prompt"):
        assert text in done.stdout
    wait_for("only the node that was there before", lambda: members(node) == {"NodeA"}, 30)


def test_three_nodes_scenario_beside_other_nodes(node, answered):
    node.install(NODE_NAME="Home", POC_SERVE="1")
    done = node.run(REPO / "scripts/run-poc.sh", "--keep", timeout=300)
    assert "done: one prompt" in done.stdout
    assert members(node) == {"Home", "NodeA", "NodeB", "NodeC"}


def test_uninstall_leaves_nothing(node, answered):
    pids = [s["pid"] for s in node.og_json("status")["node"]["services"]]
    node.run(node.root / "uninstall.sh", "--yes")
    assert not node.root.exists()
    for pid in pids:
        wait_for(f"the end of {pid}", lambda pid=pid: not os.path.exists(f"/proc/{pid}"), 20)
