"""Figures and tables as docs/BENCHMARKS.md has them."""


def figure(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(head, lines):
    """A table of lines of cells under their head."""
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *lines])


def flat(results, prefix=""):
    """(name, figure) of all that is in there; percentiles stay together."""
    for key, value in results.items():
        name = f"{prefix}{key}".replace("_", " ")
        if not isinstance(value, dict):
            yield name, f"{value:,}" if isinstance(value, int) else figure(value) if isinstance(value, float) else value
        elif {"p50", "p95", "p99"} <= set(value):
            yield f"{name}, p50 / p95 / p99", percentiles(value)
        else:
            yield from flat(value, f"{name}: ")


def percentiles(times, prefix=""):
    """p50 / p95 / p99 of what has them, in milliseconds."""
    return " / ".join(figure(times[prefix + p]) for p in ("p50", "p95", "p99")) if times else "–"
