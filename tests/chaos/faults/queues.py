"""Queues and bindings are deleted, and full."""

import contextlib
import time
from urllib.parse import quote

from faults.broker import alarm
from load import TERMINAL
from rounds import row
from world import TIER_KEY, World


@row(10, "a queue is deleted under its consumer", soak=True)
def queue_deleted(r):
    """Said aloud in the log of whoever read it; back at work after `og-broker-config apply`, which is the one that may declare it."""
    queues = ["og.jobs.intake", "og.state", f"og.tier.{TIER_KEY}", f"og.wait.{TIER_KEY}.normal.{r.rng.randrange(8)}", "og.rpc"]
    r.rng.shuffle(queues)
    for queue in queues:
        with r.load(count=10, rate=100):
            pass
        r.until("rest", lambda: not r.ledger.open() and r.loads[-1].finished(), 20)
        r.loads[-1].stop()
        r.until("every queue to be empty", lambda: at_rest(r.world), 15)
        before = {log: log.stat().st_size for log in r.world.logs()}
        admin = r.world.cluster.connect(*r.world.cluster.credentials("admin"))
        admin.channel().queue_delete(queue)
        admin.close()
        r.world.event(f"{queue} deleted")
        r.until(f"a word about {queue}", lambda q=queue, b=before: said(b, q), 15)
        r.world.cluster.run("apply")
        r.world.until_up(30)
    with r.load(count=30, rate=100):
        pass
    r.did(f"deleted and applied again, one after the other: {', '.join(queues)}")


def at_rest(world):
    return all(row[:2] == (0, 0) for name, row in world.queues().items() if not name.startswith("og.dead"))


def said(before, queue):
    for log, size in before.items():
        news = log.read_bytes()[size:].decode(errors="replace")
        if any(queue in line and "deleted" in line for line in news.splitlines()):
            return True
    return False


@row(11, "a reply key and a work key that lead nowhere", quick=True, soak=True)
def leads_nowhere(r):
    nobody = r.load(count=5, rate=50, submitters=1, headers={"detach": 1})
    with nobody:
        r.until("jobs for nobody", nobody.finished, 20)
        nobody.submitters[0].vanish()
    binding = f"/api/bindings/{r.world.cluster.name}/e/og.work/q/og.tier.{TIER_KEY}/{quote(TIER_KEY, safe='')}"
    r.until("rest", lambda: all(state(r, job) in TERMINAL for job in r.ledger.accepted()), 20)
    r.world.rabbit.api("DELETE", binding)
    r.world.event("the binding of a tier was taken away")
    with r.load(count=20, rate=50):
        r.some_jobs(20)
    time.sleep(3)
    ended = [job for job in r.ledger.accepted()[5:] if job.ends]
    r.hold(f"{len(ended)} jobs ended that reached nobody", not ended)
    r.world.cluster.run("apply")
    r.counts["went_on_s"] = r.until("all to end", lambda: not [j for j in r.ledger.open() if j in r.ledger.accepted()[5:]], 60)
    r.did("5 jobs whose submitter was gone, 20 jobs while the tier's queue was unbound, then `apply`")


def state(r, job):
    return (r.world.redis_cli("HGET", f"og:{r.world.cluster.name}:job:{job.id}", "state") or ["-"])[0]


@contextlib.contextmanager
def small_graveyard(rabbit):
    with World(rabbit, settings="[scheduler]\ndead_max_jobs = 3\n") as w:
        yield w


@row(14, "the target of dead letters is full, then missing, then restored", world=small_graveyard)
def graveyard_full(r):
    """Nothing is lost: what does not fit waits before it."""
    strange = {"count": 8, "rate": 50, "wants": ("failed",), "headers": {"version": "9.0"}}
    with r.load(**strange):
        r.some_jobs(8)
    r.until("all to be told", r.quiet, 20)
    r.world.dead_letters += 8
    r.until("8 dead letters", lambda: dead(r.world) == 8, 20)
    rows = r.world.queues()
    r.counts["kept"], r.counts["waits_for_room"] = (sum(rows[q][:2]) for q in ("og.dead", "og.dead.intake"))
    r.hold(f"og.dead holds {r.counts['kept']}, its bound is 3", r.counts["kept"] <= 4)
    with r.load(count=30, rate=50):
        pass
    r.until("others to go on", r.quiet, 20)
    # Missing: deleted with what it held, which was told to its submitters; what comes now waits for it.
    gone = sum(rows["og.dead"][:2])
    admin = r.world.cluster.connect(*r.world.cluster.credentials("admin"))
    admin.channel().queue_delete("og.dead")
    admin.close()
    r.world.dead_letters -= gone
    with r.load(**strange):
        r.some_jobs(8)
    r.until("all to be told", r.quiet, 20)
    r.world.dead_letters += 8
    r.world.cluster.run("apply")
    r.until(f"{r.world.dead_letters} dead letters", lambda: dead(r.world) == r.world.dead_letters, 30)
    r.until("the new og.dead to be filled", lambda: sum(r.world.queues()["og.dead"][:2]) >= 3, 30)
    r.did("8 dead letters for 3 places; og.dead deleted, 8 more, og.dead restored")


def dead(world):
    rows = world.queues()
    return sum(sum(rows[q][:2]) for q in ("og.dead", "og.dead.intake") if q in rows)


@contextlib.contextmanager
def narrow(rabbit):
    """Little may wait anywhere."""
    bounds = "intake_max_jobs = 100\nlane_max_jobs = 60\nwaiting_max_bytes = 1MiB\n"
    with World(rabbit, settings=f"[scheduler]\n{bounds}") as w:
        yield w


@row(23, "lanes full, intake full with retries on their way, an alarm in the middle of it", world=narrow)
def own_backlog(r):
    """Submitters get busy, what waits drains, and retries come back in time."""
    retried = r.load(count=20, rate=50, submitters=1, status=500, fails=1)
    with retried:
        r.some_jobs(20)
    flood = r.load(count=600, rate=1000, submitters=4, wants=("done", "busy"), tokens=10, pace_ms=40, headers={"fill": "x" * 4000})
    with flood:
        r.until("the flood to be in", flood.finished, 60)
        with alarm(r.world, "memory"):
            time.sleep(r.pick(3, 10))
    r.until("what waits to drain", r.quiet, 90)
    busy = [job for job in r.ledger.accepted() if job.ends and job.ends[0].state == "busy"]
    refused = sum(s.refused for s in flood.submitters)
    r.counts["refused"], r.counts["busy"] = refused, len(busy)
    r.hold("nobody was told busy", bool(busy) or refused > 0)
    ids = {job.id for s in retried.submitters for job in s.mine.values()}
    late = [round(j.ends[0].at - j.accepted, 1) for j in r.ledger.accepted() if j.id in ids and j.ends]
    r.counts["slowest_retry_s"] = max(late, default=None)
    r.did("20 jobs that fail once, 600 more than there is room for at once, and a memory alarm while they wait")
