#!/usr/bin/env python3
"""The conformance table: what the tests have shown, put into docs/API.md and, with --json, into a file.

table.py RESULTS [--into docs/API.md] [--json FILE]
"""

import argparse
import json
from pathlib import Path

BEGIN, END = "<!-- conformance: written by scripts/conformance.sh -->", "<!-- /conformance -->"
CLIENTS = {
    "openai-python": "openai (Python)",
    "openai-node": "openai (Node)",
    "langchain": "LangChain",
    "litellm": "LiteLLM",
    "ollama-python": "ollama (Python)",
    "ollama-node": "ollama (Node)",
    "anthropic-python": "anthropic (Python)",
}
# Every row there is to be. A test that names another is refused; a row that no test names is `not yet`.
ROWS = [
    (
        "/v1/chat/completions",
        [
            "whole", "stream", "stream_options.include_usage", "system and history", "max_tokens", "max_completion_tokens", "temperature, top_p",
            "seed", "stop", "n", "n, streamed", "logprobs, top_logprobs", "response_format json_object", "response_format json_schema", "tools",
            "tools, streamed", "tool_choice", "tool results", "images", "user, metadata, unknown parameters", "system_fingerprint",
        ],
    ),
    ("/v1/completions", ["whole", "stream", "several prompts", "logprobs", "echo, suffix, unknown parameters"]),
    ("/v1/embeddings", ["one text", "several texts", "encoding_format base64", "tokens", "dimensions", "unknown parameters"]),
    ("/v1/models", ["list", "retrieve"]),
    ("/v1/responses", ["whole", "stream", "text.format json_schema", "background", "retrieve", "cancel"]),
    ("/v1/files", ["create, retrieve, content, delete", "list, page by page", "expires_after"]),
    ("/v1/batches", ["create, retrieve, output", "list, page by page", "cancel"]),
    ("webhooks", ["unwrap response.completed", "unwrap response.cancelled", "unwrap batch.completed", "a forged one is refused"]),
    ("/api/chat", ["whole", "stream", "options", "format", "tools", "images"]),
    ("/api/generate", ["whole", "stream", "options"]),
    ("/api/embed", ["one text", "several texts"]),
    ("/api/tags, /api/show, /api/ps, /api/version", ["list", "show", "ps"]),
    ("/v1/messages", ["whole", "stream", "system", "stop_sequences", "tools", "images", "count_tokens"]),
    (
        "any",
        [
            "400", "401", "404 unknown model", "429 with retry-after", "503 with retry-after", "error in mid-stream", "request id",
            "idempotency key", "client time-out", "client leaves in mid-stream", "many at a time",
        ],
    ),
]  # fmt: skip


def cell(tests):
    """What the tests of one row by one client say together; "": there are none."""
    if not tests:
        return ""
    if not all(t["works"] for t in tests):
        return "no"
    return "yes" if any(t["engine"] == "model" for t in tests) else "stub"


def table(results):
    """[{endpoint, parameter, clients: {client: cell}, why_not}]"""
    rows = []
    for endpoint, parameters in ROWS:
        for parameter in parameters:
            of_row = [r for r in results if r["endpoint"] == endpoint and parameter in r["parameters"]]
            cells = {c: cell([r for r in of_row if r["client"] == c]) for c in CLIENTS}
            why = sorted({r["why_not"] for r in of_row if r["why_not"]})
            rows.append({"endpoint": endpoint, "parameter": parameter, "clients": cells, "why_not": "; ".join(why)})
    return rows


def markdown(rows):
    lines = [f"| Endpoint | | {' | '.join(CLIENTS.values())} |", "|---|---|" + "---|" * len(CLIENTS)]
    last = None
    for row in rows:
        cells = list(row["clients"].values())
        if not any(cells):
            cells = ["not yet"] + [""] * (len(cells) - 1)
        name = (
            ""
            if row["endpoint"] == last
            else " ".join(f"`{w}`" if w.startswith("/") else w for w in row["endpoint"].split(" "))
        )
        lines.append(
            f"| {name.replace(',`', '`,')} | {row['parameter']}{'. ' + row['why_not'] if row['why_not'] else ''} | {' | '.join(cells)} |"
        )
        last = row["endpoint"]
    return "\n".join(lines)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("results", type=Path)
    options.add_argument("--into", type=Path)
    options.add_argument("--json", type=Path)
    args = options.parse_args()
    results = json.loads(args.results.read_text())
    rows = table(results)
    if args.into:
        before, rest = args.into.read_text().split(BEGIN)
        args.into.write_text(f"{before}{BEGIN}\n\n{markdown(rows)}\n\n{END}{rest.split(END)[1]}")
    if args.json:
        args.json.write_text(json.dumps({"rows": rows, "tests": results}, indent=2) + "\n")
    cells = [c for row in rows for c in row["clients"].values() if c]
    print(", ".join(f"{cells.count(word)} {word}" for word in ("yes", "stub", "no")))


if __name__ == "__main__":
    main()
