"""What roundtrips.py has measured, as its section of docs/BENCHMARKS.md."""

import statistics

from tables import figure, markdown

OURS, HOPS = "OpenGateway", "three bare hops"
ONE, MANY, MORE = "1", "500", "5000"
# How many times a peer's jobs/s ours are to be with 500 in flight.
TIMES = {"Celery": 9, "dramatiq": 3.5, "BullMQ": 1.4, "asynq": 1, HOPS: 1.2}
MORE_OF_MANY, ONE_OF_HOPS, HALF_P99_MS = 0.7, 1.2, 10

WORDS = """\
*jobs/s*: closed loop, so many in flight at any time. *ours, times*: our jobs/s by that row's of the same round, the median of that. Latencies are p50 / p95 / p99 in ms, from when a
job fell due to when its answer was read; *at half the rate* is an open loop at half of the row's own jobs/s with 500 in flight, in which a stall is charged to
every job that fell due in it. What is kept is in the second column: who keeps nothing on the disk does not do what we do, and is there as what it is.
"""


def median(results, what):
    return statistics.median(result[what] for result in results) if results else None


def times(row, other, cell, what):
    """How many times `other`'s figure that of `row` is: the median of the rounds' ratios."""
    pairs = zip(row["cells"].get(cell, []), other["cells"].get(cell, []))
    ratios = [mine[what] / theirs[what] for mine, theirs in pairs if theirs[what]]
    return statistics.median(ratios) if ratios else None


def latencies(results):
    return " / ".join(figure(median(results, f"{p}_ms")) for p in ("p50", "p95", "p99")) if results else "–"


def line(name, row, ours):
    def many(cell):
        found = row["cells"].get(cell, [])
        ratio = figure(times(ours, row, cell, "jobs_per_s")) if ours and row is not ours else ""
        return [figure(median(found, "jobs_per_s")), ratio, latencies(found)]

    half = row["half"]
    at = f" at {half[0]['rate']:,}/s" if half else ""
    cells = [f"{name} {row['version']}".strip(), row["kept"], *many(MANY), *many(MORE)]
    return cells + [latencies(row["cells"].get(ONE, [])), latencies(half) + at]


def overview(rows, skipped):
    head = ["", "on the disk", "jobs/s, 500 in flight", "ours, times", "ms", "jobs/s, 5,000 in flight", "ours, times", "ms"]
    head += ["one in flight, ms", "at half the rate, ms"]
    ours = rows.get(OURS)
    order = sorted(rows, key=lambda name: (name != OURS, rows[name]["limit"]))
    lines = [line(name, rows[name], ours) for name in order]
    lines += [[name, f"not measured: {why}", *[""] * (len(head) - 2)] for name, why in skipped.items()]
    return markdown(head, lines)


def goals(rows):
    ours = rows[OURS]
    lines = [
        (f"jobs/s with 500 in flight, times those of {name}", f"≥ {least}", times(ours, rows[name], MANY, "jobs_per_s"))
        for name, least in TIMES.items()
        if name in rows
    ]
    many, more = (median(ours["cells"].get(cell, []), "jobs_per_s") for cell in (MANY, MORE))
    of_many = more / many if many and more else None
    lines.append(("jobs/s with 5,000 in flight, times those with 500", f"≥ {MORE_OF_MANY}", of_many))
    if HOPS in rows:
        of_hops = times(ours, rows[HOPS], ONE, "p50_ms")
        lines.append(("median with one in flight, times the bare hops'", f"≤ {ONE_OF_HOPS}", of_hops))
    lines.append(("p99 at half the rate, ms", f"≤ {HALF_P99_MS}", median(ours["half"], "p99_ms")))
    return markdown((OURS, "to reach", "measured"), [(what, to_reach, figure(found)) for what, to_reach, found in lines])


def section(results):
    rows = results["rows"]
    rounds = ", ".join(
        f"{max((len(row['cells'].get(cell, [])) for row in rows.values()), default=0)} with {int(cell):,} in flight"
        for cell in (ONE, MANY, MORE)
    )
    parts = [WORDS.strip(), f"Rounds: {rounds}.", overview(rows, results["skipped"])]
    parts += [f"{name} failed: {why}" for name, why in results["failed"].items()]
    if OURS in rows:
        parts.append(goals(rows))
    parts.append("\n".join(f"- **{name}**: {row['setup']}." for name, row in rows.items()))
    return "\n\n".join(parts)
