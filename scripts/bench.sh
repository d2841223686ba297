#!/usr/bin/env bash
# The bench: builds what is missing, measures, and prints docs/BENCHMARKS.md; `scripts/bench.sh --help` says what there is.
#
#   scripts/bench.sh [--quick] [--only PART[:NAME+…],…] [--json FILE]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p build
# shellcheck disable=SC2034 # quietly of testing.sh writes to it
log=$PWD/build/bench.log
# shellcheck source=scripts/lib/testing.sh
. scripts/lib/testing.sh

if [ -z "${OG_BUILD:-}" ]; then
	export OG_BUILD=$PWD/build/release
	build release >&2
fi
python=build/venv/bin/python # has the embedded engine's packages, where the tests were run once
[ -x $python ] || python=python3
exec $python tests/bench/bench.py "$@"
