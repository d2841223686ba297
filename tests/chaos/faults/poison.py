"""A prompt that kills whoever runs it."""

from rounds import row


@row(13, "a poison prompt kills every worker that takes it", quick=True, soak=True)
def poison(r):
    """It alone is set aside, after its attempts; those that ran beside it finish."""
    world = r.world
    with world.kept_alive(*world.workers) as deaths, r.load(rate=10, tokens=10, pace_ms=30):
        r.some_jobs(15)
        bad = r.load(count=1, submitters=1, wants=("dead",), fault="crash", after=1)
        with bad:
            r.until("it to be accepted", bad.finished, 10)
        [job] = [job for s in bad.submitters for job in s.mine.values()]
        r.counts["set_aside_s"] = r.until("it to be set aside", lambda: bool(job.ends), 60)
        r.some_jobs(10)
    r.until("all to end", r.quiet, 60)
    r.counts["workers_killed"] = len(deaths)
    r.hold(f"it killed {len(deaths)} workers", 2 <= len(deaths) <= 4)
    error = job.ends[0].error if job.ends else ""
    r.hold(f"its end says '{error}'", error == "poison")
    r.did(f"a prompt that kills its worker among others; it killed {len(deaths)}")
