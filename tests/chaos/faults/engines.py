"""Engines that fail in every way they can."""

from rounds import row

ONCE = [
    {"status": 500},
    {"status": 503},
    {"fault": "cut", "after": 2},
    {"fault": "close"},
    {"fault": "stall", "after": 2},
    {"fault": "stall_headers"},
    {"fault": "garbage", "after": 2},
    {"fault": "binary", "after": 2},
    {"fault": "long_line", "after": 2},
    {"fault": "end", "after": 2},
]


@row(17, "engines: 500s, slow drip, cut, hang, garbage, a line of 10 MB", quick=True, soak=True)
def engines_fail(r):
    for fault in ONCE:
        with r.load(count=r.pick(1, 4), rate=50, submitters=1, headers={"stream": 1, "progress": 1}, fails=1, tokens=6, **fault):
            pass
    slow = {"tokens": 4, "pace_ms": 1200}
    with r.load(count=4, rate=50, submitters=1, headers={"stream": 1}, **slow):
        pass
    for status in (400, 404, 422):
        with r.load(count=2, rate=50, submitters=1, wants=("failed",), status=status):
            pass
    with r.load(count=2, rate=50, submitters=1, wants=("dead",), status=500):
        pass
    with r.load(count=20, rate=20):
        pass
    r.until("all to be accepted", lambda: all(load.finished() for load in r.loads), 30)
    r.until("all to end", r.quiet, 90)
    runs = r.world.runs()
    for job in r.ledger.accepted():
        mixed = unmixed(job)
        r.hold(f"{job.id}: {mixed}", not mixed)
        if b"status=4" in job.body:
            r.hold(f"{job.id} ran {len(runs.get(job.id, []))} times at a 4xx", len(runs.get(job.id, [])) == 1)
    r.did(f"each of {len(ONCE)} faults once, then a good run elsewhere; a drip; three 4xx; a 500 at every attempt; innocents beside them")


def unmixed(job):
    """The chunks of a run come without a gap from 0, and none of a lower run after a higher one; empty where that holds."""
    last, seq = (0, 0), -1
    for attempt, run, n in job.chunks:
        if (attempt, run) < last:
            return f"a chunk of run {(attempt, run)} after {last}"
        if (attempt, run) > last:
            last, seq = (attempt, run), -1
        if n != seq + 1:
            return f"chunk {n} after {seq} in run {last}"
        seq = n
    return ""
