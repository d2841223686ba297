"""Workers that are killed, stopped, frozen and sent away."""

import signal
import time

from rounds import row
from tap import amqp_frames
from world import OTHER


@row(1, "workers are killed mid-job, in a loop", quick=True, soak=True)
def killed_in_a_loop(r):
    kills = r.pick(5, 15)
    with r.load(rate=15, tokens=10, pace_ms=20):
        for _ in range(kills):
            r.some_jobs(8)
            victim = r.rng.choice(r.world.workers)
            r.world.kill(victim)
            victim.start()
    r.did(f"{kills} times one of three workers got SIGKILL under load, and was started again")
    r.counts["kills"] = kills
    most = max((len(runs) for job, runs in r.world.runs().items() if job in r.ledger.jobs), default=0)
    r.counts["most_runs_of_one_job"] = most
    r.hold(f"a job ran {most} times at {kills} kills", most <= kills + 1)


@row(2, "a worker is killed after its result is confirmed, before its ack", quick=True, soak=True)
def killed_before_its_ack(r):
    """The worker's way to the broker goes through a tap, which kills it instead of passing on an ack."""
    tap = r.world.tap(amqp_frames)
    victim = r.world.workers[0]
    restart(r, victim, OG_BROKER=f"127.0.0.1:{tap.port}")
    rounds = r.pick(2, 6)
    with r.load(rate=20):
        for _ in range(rounds):
            tap.arm("ack", r.rng.randrange(1, 6), True, lambda: r.world.kill(victim, "killed before its ack"))
            r.until("the ack to be met", lambda: bool(tap.hit), 30)
            victim.start()
            victim.wait_state("serving")
    restart(r, victim, OG_BROKER=None)
    r.did(f"{rounds} times a worker was killed when its result was confirmed and its ack about to go out")
    r.counts["kills"] = rounds


def restart(r, worker, **env):
    """With another environment; None takes a variable away."""
    r.world.event(f"{worker.key} restarted")
    worker.leave()
    for key, value in env.items():
        worker.env.pop(key, None)
        if value is not None:
            worker.env[key] = value
    worker.start()
    worker.wait_state("serving")


@row(16, "a worker is frozen past its lease, then goes on", soak=True)
def frozen_past_its_lease(r):
    """Longer than the broker's heartbeat and the leader's patience: its jobs run elsewhere, and what it says late changes nothing."""
    victim = r.rng.choice(r.world.workers)
    with r.load(rate=15, tokens=10, pace_ms=20):
        r.some_jobs(20)
        with r.world.during(f"{victim.key} frozen"):
            victim.process.send_signal(signal.SIGSTOP)
        frozen = time.monotonic()
        r.until("it to be missed", lambda: r.world.heard() < len(r.world.workers), 25)
        r.some_jobs(10)
        with r.world.during(f"{victim.key} frozen"):  # what was pushed to it meanwhile it runs now, as another did
            victim.process.send_signal(signal.SIGCONT)
        r.counts["frozen_s"] = round(time.monotonic() - frozen, 1)
        r.some_jobs(10)
    r.until("it to be heard again", lambda: r.world.heard() == len(r.world.workers), 20)
    r.did(f"a worker with jobs got SIGSTOP, was taken for lost, and got SIGCONT after {r.counts['frozen_s']} s")


@row(19, "SIGTERM drains, and a second SIGTERM", quick=True, soak=True)
def drained(r):
    """What runs ends or goes back within worker.drain (5 s); at a second SIGTERM at once."""
    first, second = r.world.workers[0], r.world.workers[1]
    with r.load(rate=15, tokens=10, pace_ms=20), r.load(count=12, rate=20, tokens=r.pick(65, 100), pace_ms=100):
        r.some_jobs(30)
        for worker, terms, bound in ((first, 1, 5), (second, 2, 1)):
            began = time.monotonic()
            with r.world.during(f"{worker.key} drained"):  # until it says so, it takes jobs
                worker.process.send_signal(signal.SIGTERM)
                r.until(f"{worker.key} to say it drains", lambda w=worker: (w.status() or {}).get("state") in ("draining", None), 5)
            for _ in range(terms - 1):
                worker.process.send_signal(signal.SIGTERM)
            status = worker.process.wait(30)
            took = round(time.monotonic() - began, 2)
            r.counts[f"end_s_after_{terms}_sigterm"] = took
            r.hold(f"{worker.key} ended with {status} after {took} s", status == 0 and took < bound + 3)
            worker.start()
    r.did(f"a worker with runs of {r.pick(6.5, 10)} s got SIGTERM, another two of them")


@row(24, "the last worker of a tier leaves with jobs placed; a node queue's worker never returns")
def last_worker_leaves(r):
    """The only worker of the other tier goes with jobs placed and waiting; another comes later under another name."""
    only = r.world.worker("lonely", OTHER, slots=2)
    only.wait_state("serving")
    r.world.until_serves(OTHER, 2)
    with r.load(count=20, rate=50, tier=OTHER, tokens=20, pace_ms=50):
        r.some_jobs(20)
    r.world.kill(only, "killed for good")
    r.world.workers.remove(only)
    r.until("it to be missed", lambda: r.world.heard() <= len(r.world.workers), 25)
    with r.load(count=10, rate=20, tier=OTHER, headers={"session": "s-24"}):
        r.some_jobs(10)
    successor = r.world.worker("successor", OTHER, slots=4)
    successor.wait_state("serving")
    r.until("all to end", r.quiet, 60)
    for load in r.loads:
        load.stop()
    r.world.event("successor left")
    successor.leave()
    r.world.workers.remove(successor)
    r.did("the only worker of a tier was killed with jobs placed and waiting, and another took up the tier 10 s later")
    left = [name for name in r.world.queues() if name.startswith("og.node.") and "lonely" in name]
    r.hold(f"node queues of a worker that is gone: {left}", not left)
