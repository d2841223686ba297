"""og's verbs about this machine: the real supervisor, and the real worker as a member of clusters."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import threading
import uuid

import pytest
from og_rig import BUILD, Grid, Root
from services import api, wait_for

SERVICE = '[service]\ncommand = /bin/sh -c "{}"\nstop_ms = 2000\n'


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster, and the root that made it."""
    return Root(tmp_path_factory.mktemp("made"), "og-node-" + uuid.uuid4().hex[:8]).apply()


@pytest.fixture
def node(cluster, tmp_path):
    root = Root(tmp_path / "r", cluster.cluster, secrets_of=cluster)
    (root.path / "services").mkdir()
    yield root
    root.og("stop")
    wait_for("the supervisor has gone", lambda: not (root.path / "run/supervisor.sock").exists(), 20)


def add_service(root, name, script):
    (root.path / "services" / name).write_text(SERVICE.format(script))


def clusters(root):
    return json.loads(root.og("clusters", "--json").stdout)["clusters"]


def test_start_status_stop(node):
    add_service(node, "10-sleeper.ini", "exec sleep 1000")
    done = node.og("status")
    assert done.returncode == 8 and re.search(rb"^node +not running$", done.stdout, re.M), done.stdout

    done = node.og("start")
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert b"og: started" in done.stderr
    out = node.og("status").stdout.decode()
    assert re.search(r"^node +running for .*, healthy \(pid \d+\)$", out, re.M), out
    assert re.search(rf"^listens on +{node.path}/run/supervisor.sock$", out, re.M)
    assert re.search(rf"^broker +{os.environ['OG_TEST_AMQP']}$", out, re.M)
    assert re.search(r"^scheduler +.*no scheduler answers", out, re.M)
    assert re.search(r"^sleeper +ready +\d+ +\S+ +0$", out, re.M)

    done = node.og("start")
    assert done.returncode == 0 and b"runs" in done.stderr
    service = json.loads(node.og("status", "--json").stdout)["node"]["services"][0]
    assert node.og("stop").returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(service["pid"], 0)
    done = node.og("stop")
    assert done.returncode == 0 and b"does not run" in done.stderr


def test_status_is_0_when_all_is_well(node):
    grid = Grid(node)
    facts = {"id": "1", "epoch": 7, "leading_since_ms": 1, "redis": "up", "waiting": 3, "placed": 2, "nodes": 5}
    grid.on_rpc = lambda g, verb, body, properties: {"scheduler": facts, "counters": {}}
    grid.start()
    assert grid.ready.wait(10) and node.og("start").returncode == 0
    done = node.og("status")
    grid.stopping = True
    grid.join(10)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"epoch 7, 5 nodes, 3 jobs waiting, 2 placed, Redis up" in done.stdout


def test_status_is_not_well_while_what_should_serve_does_not(node):
    (node.path / "bin").mkdir()
    worker = node.path / "bin/og-worker"  # one that never gets its engine up
    worker.write_text("#!/bin/sh\nexec sleep 1000\n")
    worker.chmod(0o755)
    (node.path / "services/30-worker-nodea.ini").write_text(
        f"[service]\ncommand = {worker}\nstop_ms = 2000\nenv.NODE_NAME = NodeA\nenv.POC_CLUSTER_ID = {node.cluster}\n"
        "env.POC_SERVE = 1\n"
    )
    peers = []
    grid = Grid(node)
    facts = {"id": "1", "epoch": 7, "leading_since_ms": 1, "redis": "up", "waiting": 0, "placed": 0, "nodes": 1}
    grid.on_rpc = lambda g, verb, body, properties: {"peers": peers} if verb == "peers" else {"scheduler": facts}
    grid.start()
    assert grid.ready.wait(10)
    starter = node.start("start")  # it waits for the worker to serve, which is not what is tested here
    identity = node.path / "nodes/nodea/node.json"
    wait_for("the node has an id", identity.exists, 20, starter)
    peer = {"id": json.loads(identity.read_text())["id"], "name": "NodeA", "serve": False, "workers": []}
    for serves, status, says in ((None, 8, b"does not serve: NodeA"), (False, 8, b"does not serve: NodeA"), (True, 0, b"healthy")):
        peers[:] = [] if serves is None else [{**peer, "serve": serves}]
        done = node.og("status")
        assert done.returncode == status and says in done.stdout, done.stdout
        assert json.loads(node.og("status", "--json").stdout).get("not_serving") == (None if serves else "NodeA")
    assert b"changed since start" not in done.stdout
    (node.path / "config.ini").write_text((node.path / "config.ini").read_text() + "\n")
    done = node.og("status")
    assert done.returncode == 0 and b"changed since start: og stop && og start" in done.stdout, done.stdout
    assert json.loads(node.og("status", "--json").stdout)["outdated"] == "worker-nodea"
    starter.communicate(timeout=60)
    assert starter.returncode == 0
    grid.stopping = True
    grid.join(10)


def test_status_says_that_no_worker_serves_and_what_to_do(node):
    peers = [{"id": "1", "name": "NodeX", "serve": False, "workers": []}]
    grid = Grid(node)
    facts = {"id": "1", "epoch": 7, "leading_since_ms": 1, "redis": "up", "waiting": 0, "placed": 0, "nodes": 1}
    grid.on_rpc = lambda g, verb, body, properties: {"peers": peers} if verb == "peers" else {"scheduler": facts}
    grid.start()
    assert grid.ready.wait(10) and node.og("start").returncode == 0
    done = node.og("status")
    assert done.returncode == 7 and f"no worker serves in {node.cluster}".encode() in done.stdout, done.stdout
    assert f"POC_SERVE=1 og connect {node.cluster}".encode() in done.stdout and b"healthy" not in done.stdout
    assert json.loads(node.og("status", "--json").stdout)["nobody_serves"] is True
    peers[0]["serve"] = True
    done = node.og("status")
    grid.stopping = True
    grid.join(10)
    assert done.returncode == 0 and b"no worker serves" not in done.stdout, done.stdout


def test_the_node_that_nobody_named_has_a_name(node):
    assert node.og("connect", node.cluster, env={"POC_SERVE": "1"}).returncode == 0
    assert node.og("connect", node.cluster, env={"NODE_NAME": "NodeB", "POC_SERVE": "1"}).returncode == 0
    [first] = [c for c in clusters(node) if c["node"] != "NodeB"]
    folder = next(f for f in (node.path / "nodes").iterdir() if f.name != "nodeb")
    name = f"{socket.gethostname()}-{json.loads((folder / 'node.json').read_text())['id'][:4]}"
    assert first["node"] == name, first
    done = node.og("disconnect", node.cluster, env={"NODE_NAME": name})
    assert done.returncode == 0, done.stderr
    assert [c["node"] for c in clusters(node)] == ["NodeB"], first


def test_the_node_keeps_nothing_of_its_starter(node):
    """`x=$(og start)`, or the same in a script with more descriptors, must end when og start ends."""
    add_service(node, "10-sleeper.ini", "exec sleep 1000")
    ours, theirs = os.pipe()
    done = node.og("start", pass_fds=[theirs])
    os.close(theirs)
    assert done.returncode == 0
    assert select.select([ours], [], [], 5)[0] and os.read(ours, 1) == b"", "somebody still holds the other end"
    os.close(ours)
    assert b"healthy" in node.og("status").stdout


def test_start_names_the_service_that_dies(node):
    add_service(node, "10-good.ini", "exec sleep 1000")
    add_service(node, "20-bad.ini", "echo that is why; exit 3")
    done = node.og("start")
    assert done.returncode == 8
    assert f"bad dies again and again: look at {node.path}/logs/bad.log".encode() in done.stderr
    assert "that is why" in (node.path / "logs/bad.log").read_text()


def test_start_names_a_mistake_in_a_service(node):
    (node.path / "services/10-x.ini").write_text("[service]\ncomand = x\n")
    done = node.og("start")
    assert done.returncode == 8 and b"supervisor.log" in done.stderr
    assert "comand" in (node.path / "logs/supervisor.log").read_text()


def test_what_the_running_node_refuses_is_told(node):
    """A mistake in one service file leaves all as it is: no verb may then say that it did something."""
    add_service(node, "10-sleeper.ini", "exec sleep 1000")
    assert node.og("start").returncode == 0
    broken = node.path / "services/20-x.ini"
    broken.write_text("[service]\ncomand = x\n")
    done = node.og("start")
    assert done.returncode == 2 and b"20-x.ini:2: unknown key 'comand'" in done.stderr, done.stderr
    assert b"og: runs" not in done.stderr

    broken.unlink()
    add_service(node, "20-sleeper.ini", "exec sleep 1000")  # what only the supervisor finds wrong
    done = node.og("connect", node.cluster, env={"NODE_NAME": "NodeA"})
    assert done.returncode == 2 and b"another service 'sleeper'" in done.stderr, done.stderr
    assert b"connected to" not in done.stderr

    [member] = (node.path / "services").glob("*worker*.ini")
    done = node.og("disconnect", node.cluster)
    assert done.returncode == 2 and b"another service 'sleeper'" in done.stderr, done.stderr
    assert b"disconnected" not in done.stderr and member.exists(), "still a member, and its file says so"
    (node.path / "services/20-sleeper.ini").unlink()
    assert node.og("disconnect", node.cluster).returncode == 0 and not member.exists()


def listens(path):
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(str(path)) == 0


def test_stop_waits_for_a_supervisor_that_answers_late(node):
    """It is not dead: it still ends what a killed one left, and would then start everything behind the back of `og stop`."""
    add_service(node, "10-slow.ini", "trap 'sleep 9; exit' TERM; while :; do sleep 0.1; done")
    assert node.og("start").returncode == 0
    os.kill(json.loads(node.og("status", "--json").stdout)["node"]["pid"], signal.SIGKILL)
    path = node.path / "run/supervisor.sock"
    wait_for("the end of the first", lambda: not listens(path), 10)
    starter = node.start("start")
    wait_for("the second has the socket", lambda: listens(path), 10, starter)
    assert b"does not answer" in node.og("status").stdout
    done = node.og("stop")
    starter.communicate(timeout=60)
    assert done.returncode == 0 and b"og: stopped" in done.stderr, done.stderr
    assert b"had been killed" not in done.stderr
    assert not listens(path) and b"not running" in node.og("status").stdout


def test_stop_shows_what_it_waits_for(node):
    add_service(node, "10-quick.ini", "exec sleep 1000")
    add_service(node, "20-slow.ini", "trap 'sleep 1; exit' TERM; while :; do sleep 0.1; done")
    assert node.og("start").returncode == 0
    done = node.og("stop")
    assert done.returncode == 0 and b"og: stopping: waiting for slow" in done.stderr, done.stderr


def test_stop_tells_how_many_prompts_still_run_and_for_how_long(node):
    folder = node.path / "nodes/nodea"
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as s:  # as a worker's, which says what it runs
        s.bind(str(folder / "worker-auto-1.sock"))
        s.listen()

        def answer():
            while True:
                try:
                    asked, _ = s.accept()
                except OSError:  # it was closed
                    return
                with asked:
                    asked.recv(4096)
                    asked.sendall(b'{"busy":2}\n')

        threading.Thread(target=answer, daemon=True).start()
        add_service(node, "30-worker-nodea.ini", "trap 'sleep 1; exit' TERM; while :; do sleep 0.1; done")
        assert node.og("start").returncode == 0
        done = node.og("stop")
        s.shutdown(socket.SHUT_RDWR)
    assert done.returncode == 0 and b"waiting for worker-nodea; 2 prompts may end within 30.0s (worker.drain)" in done.stderr, done.stderr


def test_foreground(node):
    add_service(node, "10-sleeper.ini", "exec sleep 1000")
    process = subprocess.Popen([BUILD / "og", "start", "--foreground"], env=node.environment(), stderr=subprocess.PIPE)
    wait_for("it runs", lambda: b"healthy" in node.og("status").stdout, 20, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_connect_and_disconnect(node):
    name = node.cluster
    assert clusters(node) == []
    assert node.og("start").returncode == 0
    done = node.og("connect", name, env={"NODE_NAME": "NodeA"})
    assert done.returncode == 8 and b"no scheduler" in done.stderr, "nobody hears it, and it says so"
    add_service(node, "25-scheduler.ini", f"exec {BUILD}/og-scheduler")
    assert node.og("start").returncode == 0
    done = node.og("connect", name, env={"NODE_NAME": "NodeA"})
    assert done.returncode == 0, done.stderr
    [member] = [c for c in clusters(node) if c["role"] != "scheduler"]
    assert member == {"cluster": name, "role": "peer", "node": "NodeA", "service": "worker-nodea", "state": "ready"}
    log = node.path / "logs/worker-nodea.log"
    wait_for("the worker has joined", lambda: f"Joined cluster {name}" in log.read_text(), 20)
    done = node.og("join", name)
    assert done.returncode == 0 and b"already" in done.stderr

    assert node.og("leave", name).returncode == 0
    assert clusters(node) == []
    assert b"running for" in node.og("status").stdout, "without any cluster the node stays up"
    assert node.og("disconnect", name).returncode == 9


def test_connect_before_start(node):
    done = node.og("connect", node.cluster, env={"NODE_NAME": "NodeB", "POC_SERVE": "1"})
    assert done.returncode == 0 and b"does not run" in done.stderr
    [member] = clusters(node)
    assert (member["role"], member["state"]) == ("worker", "stopped")


def test_a_peer_may_come_to_serve(node):
    roles = []
    for serve in ("0", "1", "0"):
        assert node.og("connect", node.cluster, env={"NODE_NAME": "NodeA", "POC_SERVE": serve}).returncode == 0
        [member] = clusters(node)
        assert member["node"] == "NodeA"
        roles.append(member["role"])
    assert roles == ["peer", "worker", "worker"], "one that serves goes on serving until it is disconnected"


def test_a_node_comes_back_as_what_it_was(node):
    roles = []
    for serve in ("1", "", "0", "", "1"):  # "": nothing is said
        assert node.og("connect", node.cluster, env={"NODE_NAME": "NodeA", "POC_SERVE": serve}).returncode == 0
        [member] = clusters(node)
        assert (member["node"], member["service"]) == ("NodeA", "worker-nodea")
        roles.append(member["role"])
        assert node.og("disconnect", node.cluster).returncode == 0 and clusters(node) == []
    assert roles == ["worker", "worker", "peer", "peer", "worker"]
    kept = node.path / "services/left/30-worker-nodea.ini"
    kept.write_text(kept.read_text().replace("[service]\n", "[service]\nenv.MINE = 1\n"))
    assert node.og("connect", node.cluster).returncode == 0, "it need not be named: there is one"
    assert "env.MINE = 1" in (node.path / "services/30-worker-nodea.ini").read_text(), "its file as it was"
    assert not kept.exists() and clusters(node)[0]["role"] == "worker"


def test_of_several_that_left_it_must_be_said_which_comes_back(node):
    for name in ("NodeA", "NodeB"):
        assert node.og("connect", node.cluster, env={"NODE_NAME": name, "POC_SERVE": "1"}).returncode == 0
    for name in ("NodeA", "NodeB"):
        assert node.og("disconnect", node.cluster, env={"NODE_NAME": name}).returncode == 0
    done = node.og("connect", node.cluster)
    assert done.returncode == 2 and b"NODE_NAME" in done.stderr and clusters(node) == []
    assert node.og("connect", node.cluster, env={"NODE_NAME": "NodeB"}).returncode == 0
    assert [(c["node"], c["role"]) for c in clusters(node)] == [("NodeB", "worker")]


def test_connect_to_what_is_no_cluster(node):
    done = node.og("connect", "nowhere")
    assert done.returncode == 9 and b"nowhere" in done.stderr
    done = node.og("connect", "../x")
    assert done.returncode == 2 and b"cannot be a cluster's name" in done.stderr
    assert clusters(node) == []


def test_several_clusters_and_several_nodes(node):
    other = "og-other-" + uuid.uuid4().hex[:8]
    api("PUT", f"/api/vhosts/{other}")
    user = node.credentials("producer")[0]
    api("PUT", f"/api/permissions/{other}/{user}", {"configure": ".*", "write": ".*", "read": ".*"})
    try:
        for name, cluster in (("NodeA", node.cluster), ("NodeA", other), ("NodeB", node.cluster)):
            done = node.og("connect", cluster, env={"NODE_NAME": name})
            assert done.returncode == 0, done.stderr
        assert {(m["node"], m["cluster"]) for m in clusters(node)} == {
            ("NodeA", node.cluster),
            ("NodeA", other),
            ("NodeB", node.cluster),
        }
        done = node.og("disconnect", node.cluster)
        assert done.returncode == 2 and b"NODE_NAME" in done.stderr, "it must be said which"
        assert node.og("disconnect", node.cluster, env={"NODE_NAME": "NodeA"}).returncode == 0
        assert node.og("disconnect", node.cluster).returncode == 0
        assert node.og("disconnect", other).returncode == 0
        assert clusters(node) == []
    finally:
        api("DELETE", f"/api/vhosts/{other}")


def test_resources_and_eligible(node):
    done = node.og("resources")
    assert done.returncode == 0 and b"no stored profile" in done.stderr
    assert re.search(rb"^CPU +[\d.]+ cores", done.stdout, re.M) and re.search(rb"^RAM .*GiB", done.stdout, re.M)
    subprocess.run([BUILD / "og-gauge"], env=node.environment(), check=True, capture_output=True)
    shown = json.loads(node.og("resources", "--json").stdout)
    assert shown["now"]["cpu_cores"] == shown["stored"]["cpu_cores"]
    assert shown["stored"]["gauged_at"] <= shown["now"]["gauged_at"]

    needs = "ram_gib = 0.1\nvram_gib = 0\ndisk_gib = 0\n"
    (node.path / "catalogue.ini").write_text(
        f"[tier Small]\ncpu_cores = 1\n{needs}[tier Huge]\ncpu_cores = 4096\n{needs}"
    )
    small, huge = json.loads(node.og("eligible", "--json").stdout)["tiers"]
    assert small == {"tier": "Small", "eligible": True, "why": ""}
    assert huge["tier"] == "Huge" and not huge["eligible"]
    assert re.match(r"needs 4096 cores, has \d", huge["why"])
    out = node.og("eligible").stdout.decode()
    assert re.search(r"^Small +yes ", out, re.M) and re.search(rf"^Huge +no .* {huge['why']}$", out, re.M), out


def test_config(node):
    assert json.loads(node.og("config", "--json").stdout)["cluster"]["id"] == node.cluster
    (node.path / "again.ini").write_bytes(node.og("config").stdout)
    assert node.og("config", "--config", node.path / "again.ini").stdout == node.og("config").stdout
    assert b"[broker]" in node.og("config", "--sample").stdout
    (node.path / "config.ini").write_text("[broker]\nendpoint = x\n")
    done = node.og("config")
    assert done.returncode == 2 and b"config.ini" in done.stderr and b"endpoints" in done.stderr
    assert node.og("help").returncode == 0, "help needs no settings"
