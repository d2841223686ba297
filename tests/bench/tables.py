"""What gateways.py has measured, as tables (in Markdown, so that they can go into docs/BENCH.md as they are)."""

# What the gateway is to reach: how its requests/s compare with a peer's, at least.
TO_REACH = {"LiteLLM": 20, "Portkey": 3, "Olla": 0.8}


def figure(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(head, lines):
    return "\n".join(
        ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(line) + " |" for line in lines)]
    )


def table(head, lines):
    print("\n" + markdown(head, lines))


def failures(row):
    parts = [*row["cells"].values(), row["half_rate"]]
    return sum(part["failed"] for part in parts)


def print_overview(rows, skipped):
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
                figure(row["cells"]["whole_64"]["cpu_ms"]),
                figure(row["memory_mib"]),
                f"{figure(streams['peak_mib'])} ({streams['open_at_a_time']} open, {streams['whole']} whole)",
                str(failures(row)),
            )
        )
    lines += [(name, f"skipped: {why}", *[""] * (len(head) - 2)) for name, why in skipped.items()]
    table(head, lines)


def print_adds(rows, title, cells, what):
    """Of the engine's own row its figures, of the others what they add; p50 / p95 / p99."""
    lines = []
    for name, row in rows.items():
        prefix = "" if name == "engine" else "adds_"
        found = [row["cells"][cell][what] for cell in cells]
        lines.append((name, *(" / ".join(figure(times[prefix + p]) for p in ("p50", "p95", "p99")) for times in found)))
    clients = [cell.rsplit("_", 1)[1] for cell in cells]
    table((title, *(f"{n} client{'s' if n != '1' else ''}" for n in clients)), lines)


def print_goals(rows):
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
    table(("og-gateway", "to reach", "measured"), lines)


def print_results(results):
    rows, m = results["rows"], results["machine"]
    print(f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['system']}; rounds: {results['rounds']}")
    if m["load_before"] > m["cores"] / 4:
        print(
            f"\nThe machine was busy with other things (load before: {m['load_before']}): the figures are of a busy machine."
        )
    print_overview(rows, results["skipped"])
    sizes = sorted({int(cell.rsplit("_", 1)[1]) for cell in rows["engine"]["cells"]})
    whole, stream = [f"whole_{n}" for n in sizes], [f"stream_{n}" for n in sizes]
    print_adds(rows, "whole answers: adds to total, ms (p50 / p95 / p99)", whole, "total_ms")
    print_adds(rows, "streams: adds to first token, ms", stream, "first_ms")
    print_adds(rows, "streams: adds to total, ms", stream, "total_ms")
    for name, row in rows.items():
        whys = {cell["why"] for cell in row["cells"].values() if cell["why"]} | {row["open_streams"]["why"]} - {""}
        for why in sorted(whys):
            print(f"\n{name} failed: {why}")
    if "og-gateway" in rows:
        print_goals(rows)
        behind = ", ".join(f"{name} {figure(mib)}" for name, mib in results["behind_og_gateway_mib"].items())
        print(f"\nMemory behind og-gateway, MiB: {behind}")
