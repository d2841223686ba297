"""What gateways.py has measured, as its section of docs/BENCHMARKS.md."""

from tables import figure, markdown, percentiles

# What the gateway is to reach: how its requests/s compare with a peer's, at least.
TO_REACH = {"LiteLLM": 20, "Portkey": 3, "Olla": 0.8}


def failures(row):
    parts = [*row["cells"].values(), row["half_rate"]]
    return sum(part["failed"] for part in parts)


def overview(rows, skipped):
    head = (
        "",
        "requests/s, whole",
        "requests/s, streamed",
        "adds to total, 1 client, ms",
        "adds to first token, 1 client, ms",
    )
    head += ("p99 at half the rate, ms", "CPU a request, ms", "memory, MiB", "with open streams, MiB", "failed")
    lines = []
    for name, row in rows.items():
        half, streams = row["half_rate"], row["open_streams"]
        one = row["cells"]["whole_1"]["total_ms"], row["cells"]["stream_1"]["first_ms"]
        lines.append(
            (
                f"{name} {row['version']}".strip(),
                figure(row["max_per_s"]["whole"]),
                figure(row["max_per_s"]["stream"]),
                *("" if name == "engine" else figure(times["adds_p50"]) for times in one),
                f"{figure(half['p99'])} at {half['rate']}/s",
                figure(row["cells"]["whole_64"]["cpu_ms"]["together"]),
                figure(row["memory_mib"]),
                f"{figure(streams['peak_mib'])} ({streams['open_at_a_time']} open, {streams['whole']} whole)",
                str(failures(row)),
            )
        )
    lines += [(name, f"skipped: {why}", *[""] * (len(head) - 2)) for name, why in skipped.items()]
    return markdown(head, lines)


def adds(rows, title, cells, what):
    """Of the engine's own row its figures, of the others what they add; p50 / p95 / p99."""
    lines = []
    for name, row in rows.items():
        prefix = "" if name == "engine" else "adds_"
        found = [row["cells"][cell][what] for cell in cells]
        lines.append((name, *(percentiles(times, prefix) for times in found)))
    clients = [cell.rsplit("_", 1)[1] for cell in cells]
    return markdown((title, *(f"{n} client{'s' if n != '1' else ''}" for n in clients)), lines)


def cpu(ours):
    """Who has how much of what a request takes."""
    most, half = ours["cells"]["whole_64"], ours["half_rate"]
    loads = [(f"64 clients, {most['per_s']:,.0f}/s", most["cpu_ms"]), (f"half the rate, {half['rate']:,}/s", half["cpu_ms"])]
    head = ("CPU a request of og-gateway and of what is behind it, ms", *most["cpu_ms"])
    return markdown(head, [(load, *(f"{ms:.3f}" for ms in spent.values())) for load, spent in loads])


def goals(rows):
    ours = rows["og-gateway"]
    lines = [
        (
            f"requests/s, times {peer}'s",
            f"≥ {least}",
            figure(ours["max_per_s"]["whole"] / rows[peer]["max_per_s"]["whole"]),
        )
        for peer, least in TO_REACH.items()
        if peer in rows and rows[peer]["max_per_s"]["whole"]
    ]
    cells = ours["cells"]
    lines += [
        ("adds to total, one client, median, ms", "≤ 3", figure(cells["whole_1"]["total_ms"]["adds_p50"])),
        ("adds to first token, one client, median, ms", "≤ 3", figure(cells["stream_1"]["first_ms"]["adds_p50"])),
        ("p99 at half the maximum rate, ms", "≤ 10", figure(ours["half_rate"]["p99"])),
        (
            f"memory with {ours['open_streams']['streams']} open streams, MiB",
            "< 100",
            figure(ours["open_streams"]["peak_mib"]),
        ),
    ]
    return markdown(("og-gateway", "to reach", "measured"), lines)


def failed_because(rows):
    for name, row in rows.items():
        parts = [*row["cells"].values(), row["half_rate"], row["open_streams"]]
        for why in sorted({part.get("why", "") for part in parts} - {""}):  # results of before have none of half the rate
            yield f"{name} failed: {why}"


def section(results):
    rows = results["rows"]
    sizes = sorted({int(cell.rsplit("_", 1)[1]) for cell in rows["engine"]["cells"]})
    whole, stream = [f"whole_{n}" for n in sizes], [f"stream_{n}" for n in sizes]
    parts = [
        f"Rounds: {results['rounds']}.",
        overview(rows, results["skipped"]),
        adds(rows, "whole answers: adds to total, ms (p50 / p95 / p99)", whole, "total_ms"),
        adds(rows, "streams: adds to first token, ms", stream, "first_ms"),
        adds(rows, "streams: adds to total, ms", stream, "total_ms"),
        *failed_because(rows),
    ]
    if "og-gateway" in rows:
        behind = ", ".join(f"{name} {figure(mib)}" for name, mib in results["behind_og_gateway_mib"].items())
        parts += [cpu(rows["og-gateway"]), goals(rows), f"Memory behind og-gateway, MiB: {behind}"]
    return "\n\n".join(parts)
