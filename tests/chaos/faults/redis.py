"""Redis is killed, emptied, full, and replaced by one that knows less."""

from rounds import row


@row(15, "Redis: SIGKILL, FLUSHALL, SCRIPT FLUSH, out of memory, failover", quick=True, soak=True)
def redis_goes(r):
    faults = [killed, flushed, scripts_flushed, full, failed_over]
    r.rng.shuffle(faults)
    for fault in faults:
        with r.load(rate=20, submitters=1):
            r.some_jobs(20)
            r.world.event(f"Redis was {fault.__name__}")
            fault(r)
            r.some_jobs(20)
        r.until(f"all to end after Redis was {fault.__name__}", r.quiet, 30)
        r.loads[-1].stop()
    r.did("in turn, under load: " + ", ".join(f.__name__.replace("_", " ") for f in faults))


def connected(world):
    return world.leader_says().get("scheduler", {}).get("redis") == "up"


def killed(r):
    """Away for some seconds: dispatch goes on meanwhile."""
    r.world.redis.kill()
    before = sum(1 for job in r.ledger.accepted() if job.ends)
    r.counts["without_redis_s"] = r.until(
        "30 more ends without Redis", lambda: sum(1 for job in r.ledger.accepted() if job.ends) >= before + 30, 20
    )
    r.world.redis.start()
    r.until("Redis to be used again", lambda: connected(r.world), 20)


def flushed(r):
    r.world.redis_cli("FLUSHALL")


def scripts_flushed(r):
    r.world.redis_cli("SCRIPT", "FLUSH")


def full(r):
    """OOM for every write, for as long as 20 jobs take."""
    r.world.redis_cli("CONFIG", "SET", "maxmemory", 1)
    r.some_jobs(20)
    r.world.redis_cli("CONFIG", "SET", "maxmemory", 0)


def failed_over(r):
    """To a replica that has nothing of the last moments: killed, its file taken away, started anew."""
    r.world.redis.kill()
    for path in r.world.redis.folder.glob("appendonlydir/*"):
        path.unlink()
    r.world.redis.start()
    r.until("Redis to be used again", lambda: connected(r.world), 20)
