"""Submitters that die before the confirm, vanish, and lie."""

import time
from concurrent.futures import Future

import forger
from rounds import row
from tap import amqp_frames


@row(4, "the producer is killed before its confirm, and runs again with the same id", quick=True, soak=True)
def killed_before_its_confirm(r):
    """og, through a tap that kills it before or after its publish, and before the broker's confirm; then the same command again."""
    tap = r.world.tap(amqp_frames)
    rounds = r.pick(4, 12)
    for i in range(rounds):
        job = r.ledger.new(r.world.job(r.rng))
        name, before = [("publish", True), ("body", False), ("confirm", True), ("confirm", False)][i % 4]
        words = ["prompt", job.text, "--tier", job.headers["tier"], "--request-id", job.id, "--json"]
        job.submitted = time.monotonic()
        born = Future()
        tap.arm(name, 1, before, lambda b=born: b.result().kill())
        first = r.world.og_starts(*words, OG_BROKER=f"127.0.0.1:{tap.port}")
        born.set_result(first)
        first.communicate(timeout=30)
        r.hold(f"og was not killed at its {name}", first.returncode == -9)
        r.world.event(f"og killed {'before' if before else 'after'} its {name}")
        again = r.world.og(*words)
        if r.hold(f"{job.id}: {again.returncode} {again.stderr[-200:]!r}", again.returncode == 0):
            job.accepted = time.monotonic()
            r.ledger.ended(job, "done", "done", "", again.stdout)
        runs = len(r.world.runs().get(job.id, []))
        r.hold(f"{job.id} ran {runs} times", runs == 1)
        r.count("one_job", runs == 1)
    r.did(f"{rounds} times og was killed around its publish and the confirm, and the same command was given again")


@row(25, "the submitter vanishes while its job waits, and while it runs", soak=True)
def vanished(r):
    """Cancelled after the grace (6 s), unless it is detached; work in the engine stops."""
    long = {"tokens": 600, "pace_ms": 100}
    slots = sum(w.slots for w in r.world.workers)
    kept = r.load(count=2, rate=50, submitters=1, headers={"detach": 1}, tokens=150, pace_ms=100)
    going = r.load(count=slots + 6, rate=100, submitters=1, wants=("cancelled",), **long)
    for load in (kept, going):
        with load:
            r.until("all to be accepted", load.finished, 20)
    r.until("jobs to run", lambda: len(r.world.runs()) >= slots, 20)
    r.world.event("its submitter vanished")
    for load in (kept, going):
        load.submitters[0].vanish()
    asker = r.world.asker()

    def state(job):
        return asker.ask("result", id=job.id).get("state")

    gone = [job for job in r.ledger.accepted() if "detach" not in job.headers]
    took = r.until("all to be cancelled", lambda: all(state(job) == "cancelled" for job in gone), 45)
    r.counts["cancelled_after_s"] = took
    r.counts["cancelled"] = sum(state(job) == "cancelled" for job in gone)
    asker.close()
    r.until("the detached to end", lambda: all(w.status()["busy"] == 0 for w in r.world.workers), 40)
    r.did(f"a submitter of {len(gone)} jobs, {slots - 2} of them running, was gone without a word; so was one of 2 detached jobs")


@row(26, "a node with real credentials forges", quick=True, soak=True)
def forges(r):
    forger.attack(r)
