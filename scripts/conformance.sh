#!/usr/bin/env bash
# The clients people use, unchanged, against a whole network with the real model; writes the table of docs/API.md from what they saw.
#
#   scripts/conformance.sh [--quick] [--json FILE] [--keep-docs] [-- PYTEST-OPTION…]
#
# --quick runs OpenAI's and Ollama's Python clients alone, and leaves the docs as they are, as --keep-docs does. --json writes rows and tests to FILE.
# The clients are pinned (tests/conformance/requirements.txt, package-lock.json) and are installed under build/. Exit status 1: a test failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

json='' quick=0 docs=1 options=()
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 docs=0 ;;
	--keep-docs) docs=0 ;;
	--json)
		json=${2:?--json: name the file to write}
		shift
		;;
	--)
		shift
		options=("$@")
		break
		;;
	*)
		echo "conformance.sh: unknown option '$1'; there are --quick, --json FILE, --keep-docs and --" >&2
		exit 2
		;;
	esac
	shift
done

clients=$PWD/build/conformance
log=$clients/install.log
mkdir -p "$clients"
: >"$log"
# shellcheck source=scripts/lib/testing.sh
. scripts/lib/testing.sh
# shellcheck source=scripts/lib/clients.sh
. scripts/lib/clients.sh

say "clients"
quietly packages
quietly python_packages
pins=tests/conformance/requirements.txt
[ $quick = 0 ] || pins=tests/conformance/requirements-quick.txt
quietly python_clients "$pins" "$clients/venv-$quick"
[ $quick = 1 ] || quietly node_clients "$clients"
export OG_BUILD=${OG_BUILD:-$PWD/build/release}
[ "$OG_BUILD" != "$PWD/build/release" ] || build release

say "conformance"
chosen=(tests/conformance)
[ $quick = 0 ] || chosen=(tests/conformance/test_openai_python*.py tests/conformance/test_ollama_python.py)
export OG_CONFORMANCE_RESULTS=$clients/results.json OG_MODULES=$clients
rc=0
"$clients/venv-$quick/bin/python" -m pytest -q -ra --durations=5 -p no:cacheprovider "${options[@]}" "${chosen[@]}" || rc=$?

into=()
[ $docs = 0 ] || into+=(--into docs/API.md)
[ -z "$json" ] || into+=(--json "$json")
[ ! -f "$OG_CONFORMANCE_RESULTS" ] || python3 tests/conformance/table.py "$OG_CONFORMANCE_RESULTS" "${into[@]}"
exit $rc
