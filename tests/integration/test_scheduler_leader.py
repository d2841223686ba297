"""Who leads, and what the leader stands on: standbys, lost connections, a broker that is restarted, a set-up that is missing."""

import subprocess
import time

import pytest
from proxy import Proxy
from services import Rabbit, wait_for

from fleet import PROGRAM, Fleet


def test_a_standby_takes_over(fleet):
    first = fleet.scheduler("one", "scheduler.lookahead_percent=0")
    second = fleet.scheduler("two", "scheduler.lookahead_percent=0", until="standing by")
    worker, producer = fleet.worker(slots=1), fleet.producer()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    running, cancelled, *waiting = [producer.submit(tier="small", progress=1) for _ in range(5)]
    worker.holds(running)
    producer.wait(waiting[-1], "placed")
    first.kill()
    began = time.monotonic()
    second.until("leading", 10)
    assert time.monotonic() - began < 5
    assert producer.ask("result", id=running) == {"state": "running"}
    tier = producer.ask("tiers")["tiers"][0]
    assert (tier["placed"], tier["waiting"]) == (1, 4)
    assert producer.ask("cancel", id=cancelled) == {"state": "cancelled"}
    for job in [running, *waiting]:
        worker.finish(job)
        assert producer.wait(job).state == "done"
    assert worker.taken == [running, *waiting]
    third = fleet.scheduler("three", until="standing by")
    began = time.monotonic()
    second.stop()
    third.until("leading", 10)
    assert time.monotonic() - began < 5
    job = producer.submit(tier="small")
    worker.finish(job)
    assert producer.wait(job).state == "done"


def test_the_scheduler_loses_its_connections(fleet):
    host, port = fleet.cluster.amqp.rsplit(":", 1)
    with Proxy((host, int(port))) as proxy:
        scheduler = fleet.scheduler("one", f"broker.endpoints=127.0.0.1:{proxy.port}")
        fleet.worker(echo=True, slots=8)
        producer = fleet.producer()
        jobs = []
        for _ in range(4):
            jobs += [producer.submit(tier="small") for _ in range(60)]
            proxy.cut()
            jobs += [producer.submit(tier="small") for _ in range(30)]
            wait_for("a job to go through", lambda: producer.of(jobs[-1], "done"), 20)  # noqa: B023
        for job in jobs:
            assert producer.wait(job, timeout=30).state == "done"
        tier = producer.ask("tiers")["tiers"][0]
        assert (tier["placed"], tier["waiting"]) == (0, 0)
        scheduler.stop()


def test_a_black_hole_ends_the_leadership(fleet):
    """Nothing comes through and nobody says so: the standby leads as soon as the broker and the heartbeats have noticed."""
    host, port = fleet.cluster.amqp.rsplit(":", 1)
    with Proxy((host, int(port))) as proxy:
        first = fleet.scheduler("one", f"broker.endpoints=127.0.0.1:{proxy.port}", "broker.heartbeat=2s")
        second = fleet.scheduler("two", until="standing by")
        fleet.worker(echo=True)
        producer = fleet.producer()
        producer.wait(producer.submit(tier="small"))
        proxy.swallow = True
        began = time.monotonic()
        second.until("leading", 20)
        assert time.monotonic() - began < 15
        producer.wait(producer.submit(tier="small"))
        wait_for("the first to notice", lambda: "no longer leading" in first.log.read_text(), 15)
        proxy.heal()
        proxy.cut()
        first.until("standing by")


@pytest.mark.parametrize("victims", ["schedulers", "redis", "both"])
def test_nothing_is_lost_while_they_are_killed(fleet, victims):
    """Jobs flow all the time, some of them more than there are slots; each ends as done for its submitter, however often leaders and
    Redis die on the way."""
    settings = ("scheduler.lookahead_percent=50",)
    schedulers = [fleet.scheduler("s0", *settings), fleet.scheduler("s1", *settings, until="standing by")]
    workers = [fleet.worker(f"Node{n}", slots=4, echo=True) for n in range(2)]
    producer = fleet.producer()
    jobs = []
    for round_ in range(6):
        jobs += [producer.submit(tier="small", explicit_id=n % 2, **{"class": ("high", "batch")[n % 2]}) for n in range(60)]
        if victims in ("redis", "both"):
            fleet.redis.kill() if round_ % 2 == 0 else fleet.redis.start()
        if victims in ("schedulers", "both"):
            leader = next((s for s in schedulers if s.state().startswith("leading")), None)
            if leader:
                leader.kill()
                schedulers.remove(leader)
                schedulers.append(fleet.scheduler(f"s{round_ + 2}", *settings, until=None))
        jobs += [producer.submit(tier="small", explicit_id=n % 2) for n in range(20)]
    for job in jobs:
        assert producer.wait(job, timeout=60).state == "done"
    for worker in workers:
        wait_for("the workers to be idle", lambda: not worker.held)  # noqa: B023
    wait_for("the tier to be empty", lambda: producer.ask("status", timeout=60)["scheduler"]["waiting"] == 0, 30)
    wait_for("all recorded", lambda: all(fleet.record(j).get("state") == "done" for j in jobs[-20:]), 30)
    taken = [job for worker in workers for job in worker.taken]
    assert set(taken) == set(jobs)
    print("run twice:", len(taken) - len(jobs))


def taken(producer):
    scheduler = producer.ask("status")["scheduler"]
    return scheduler["placed"] + scheduler["waiting"]


def test_the_broker_is_restarted_with_a_backlog(tmp_path):
    """In order first, then by SIGKILL. (A quorum queue of one member that is killed within a second of its making never finds its
    leader again, in RabbitMQ 3.10; after an orderly stop it is past that.)"""
    rabbit = Rabbit(tmp_path / "rabbit").start()
    fleet = Fleet(tmp_path / "root", "restarted", rabbit=rabbit)
    try:
        scheduler = fleet.scheduler("one", "scheduler.no_capacity_after=1h", "scheduler.orphan_grace=1h")
        fleet.worker(slots=2).vanish()
        jobs = []
        for end, notices in ((rabbit.stop, 1), (rabbit.kill, 2)):
            producer = fleet.producer()
            jobs += [producer.submit(tier="small", **{"class": ("high", "batch")[n % 2]}) for n in range(20)]
            wait_for("all to have come", lambda: taken(producer) == len(jobs))  # noqa: B023
            producer.close()
            end()
            told = lambda: scheduler.log.read_text().count("no longer leading")
            wait_for("it to be noticed", lambda: told() == notices, 20)  # noqa: B023
            rabbit.start()
            scheduler.until("leading, epoch", 40)
        asks = fleet.producer()
        wait_for("the backlog", lambda: asks.ask("tiers")["tiers"][0]["waiting"] == 37, 20)
        worker = fleet.worker("NodeB", slots=4, echo=True)
        wait_for("all to end", lambda: all(asks.ask("result", id=j)["state"] == "done" for j in jobs), 30)
        assert sorted(worker.taken) == sorted(jobs)
        tier = asks.ask("tiers")["tiers"][0]
        assert (tier["waiting"], tier["placed"]) == (0, 0)
    finally:
        fleet.close()
        rabbit.stop()


def test_no_topology_is_said_and_mended(fleet):
    admin = fleet.cluster.connect(*fleet.cluster.credentials("admin"))
    admin.channel().queue_delete("og.state")
    admin.close()
    s = fleet.scheduler(until=None)
    wait_for("a word about it", lambda: "run og-broker-config apply" in s.log.read_text(), 20, s.process)
    assert not s.status()["ready"]
    fleet.cluster.run("apply")
    s.until("leading")


@pytest.mark.parametrize(
    "setting, words",
    [("cluster.id=nowhere", "vhost 'nowhere'"), ("password", "password was refused"), ("lease", "run og-broker-config apply")],
)
def test_what_cannot_work_is_said(fleet, setting, words):
    settings = [setting] if "=" in setting else []
    if setting == "password":
        fleet.cluster.secret("scheduler", "scheduler", "wrong")
    if setting == "lease":
        (fleet.cluster.root / "secrets/lease.key").unlink()
    s = fleet.scheduler("one", *settings, until=None)
    assert s.process.wait(20) == 1
    assert words in s.tail(), s.tail()


def test_a_missing_queue_holds_its_jobs_until_it_is_there(fleet):
    scheduler = fleet.scheduler()
    producer = fleet.producer()
    worker = fleet.worker()
    wait_for("the worker", lambda: producer.ask("tiers")["tiers"][0]["workers"] == 1)
    admin = fleet.cluster.connect(*fleet.cluster.credentials("admin"))
    admin.channel().queue_delete("og.tier.small-1b")
    admin.close()
    worker.vanish()
    jobs = [producer.submit(tier="small") for _ in range(3)]
    wait_for("a word about it", lambda: "run og-broker-config apply" in scheduler.log.read_text())
    fleet.cluster.run("apply")
    other = fleet.worker("NodeB", echo=True)
    for job in jobs:
        assert producer.wait(job).state == "done"
    assert sorted(other.taken) == sorted(jobs)


def test_usage():
    def run(*args):
        return subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=False)

    assert run("--help").returncode == 0 and "--set SECTION.KEY=VALUE" in run("--help").stdout
    assert run("--version").stdout.startswith("og-scheduler ")
    for wrong in (["--dance"], ["now"], ["--set"]):
        assert run(*wrong).returncode == 2
    unknown = run("--set", "scheduler.danse=1")
    assert unknown.returncode == 1 and "scheduler.danse" in unknown.stderr
