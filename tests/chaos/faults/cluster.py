"""Three brokers in one cluster: one is killed, one is cut off."""

import contextlib
import subprocess
import tempfile
import time
from pathlib import Path

from rounds import Skipped, row
from three import Three
from world import World


@contextlib.contextmanager
def of_three(_rabbit):
    with tempfile.TemporaryDirectory(prefix="ogt-", dir="/tmp") as folder:
        try:
            three = Three(Path(folder)).__enter__()
        except subprocess.CalledProcessError as error:
            raise Skipped(f"no network namespaces here: {(error.stderr or '').strip()[-200:]}") from error
        try:
            with World(three.nodes[0], endpoints=three.endpoints) as world:
                world.three = three
                yield world
        finally:
            three.__exit__()


@row(6, "a cluster of three brokers: one is killed, one is cut off for 10 and 30 s", world=of_three)
def three_brokers(r):
    three, world = r.world.three, r.world
    r.counts["members_of_each_queue"] = three.members(world.cluster.name)
    r.hold(f"a queue has {r.counts['members_of_each_queue']} members", r.counts["members_of_each_queue"] == 3)
    with r.load(rate=15):
        r.some_jobs(30)
        killed(r, three.nodes[2])
        for seconds in (10, 30):
            # The first is the one that everybody is connected to (it is the first of the endpoints).
            node = three.nodes[0 if seconds == 30 else r.rng.randrange(3)]
            cut_off(r, node, seconds)
        r.some_jobs(30, 60)
    world.until_up(60)
    r.did("a broker of three was killed and started again; one was cut off from the others for 10 s, then one for 30 s")


def killed(r, node):
    with r.world.during("a broker of three killed"):
        node.kill()
    began = time.monotonic()
    r.some_jobs(30, 60)
    r.counts["goes_on_s_after_a_broker_was_killed"] = round(time.monotonic() - began, 1)
    node.start()
    r.until("three brokers", lambda: r.world.three.running() == 3, 60)
    r.some_jobs(10, 60)


def cut_off(r, node, seconds):
    with r.world.during(f"a broker was cut off for {seconds} s"):
        r.world.three.cut_off(node)
    end = time.monotonic() + seconds
    before = len(r.ledger.accepted())
    while time.monotonic() < end:
        time.sleep(0.1)
    r.counts[f"accepted_while_cut_off_{seconds}_s"] = len(r.ledger.accepted()) - before
    with r.world.during("the broker was back"):
        r.world.three.heal(node)
    began = time.monotonic()
    r.until("three brokers", lambda: running(r.world.three) == 3, 90)
    r.some_jobs(20, 90)
    r.counts[f"goes_on_s_after_{seconds}_s"] = round(time.monotonic() - began, 1)


def running(three):
    try:
        return three.running()
    except OSError:
        return 0
