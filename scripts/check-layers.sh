#!/usr/bin/env bash
# Arrows point one way: base ← model ← io ← service ← programs, and programs never include each other.
# Prints each include that points another way as file:line, and exits 1 where there is one.
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

programs=()
for folder in broker-config gauge producer worker scheduler gateway; do
	[ -d "$folder" ] && programs+=("$folder")
done

# Of "file:line:#include "layer/header.h"": a header without a folder is the file's own neighbour.
grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include='*.[ch]' common "${programs[@]}" |
	awk -F: -v programs="${programs[*]}" '
	BEGIN {
		split("base model io service", layers, " ")
		for (i in layers)
			rank[layers[i]] = i
		split(programs, list, " ")
		for (i in list)
			is_program[list[i]] = 1
	}
	{
		split($1, at, "/")
		header = $0
		sub(/^[^"]*"/, "", header)
		sub(/".*/, "", header)
		parts = split(header, to, "/")
		why = ""
		if (header ~ /(^|\/)\.\.(\/|$)/)
			why = "leaves its folder by .."
		else if (parts > 1 && at[1] == "common" && !(to[1] in rank))
			why = "is no layer below " at[2]
		else if (parts > 1 && at[1] == "common" && rank[to[1]] > rank[at[2]])
			why = "points up from " at[2] " to " to[1]
		else if (parts > 1 && to[1] in is_program && to[1] != at[1])
			why = "is of another program"
		if (why != "") {
			print $1 ":" $2 ": \"" header "\" " why
			bad = 1
		}
	}
	END { exit bad }'
