#!/usr/bin/env bash
# The one test command: installs what the tests need, builds, runs everything, and ends with the line `N passed, N failed, N skipped`.
#
#   scripts/test.sh                 everything
#   scripts/test.sh unit e2e        only these of: lint unit integration fuzz e2e conformance chaos bench
#
# What it installs are Debian packages and, under build/, Python packages of its own. Reports are left in build/reports/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

all=(lint unit integration fuzz e2e conformance chaos bench)
wanted=("$@")
[ $# -gt 0 ] || wanted=("${all[@]}")
for part in "${wanted[@]}"; do
	case " ${all[*]} " in *" $part "*) ;; *)
		echo "test.sh: no part '$part'; there are: ${all[*]}" >&2
		exit 2
		;;
	esac
done

reports=$PWD/build/reports
rm -rf "$reports"
mkdir -p "$reports"
log=$PWD/build/test.log
python=build/venv/bin/python
: >"$log"
# shellcheck source=scripts/lib/testing.sh
. scripts/lib/testing.sh

runs() { case " ${wanted[*]} " in *" $1 "*) ;; *) return 1 ;; esac }

# check NAME command…: one test of the part `lint` or `fuzz`, whose output is shown when it fails.
check() {
	local name=$1 out
	shift
	out=$reports/$name.out
	if "$@" >"$out" 2>&1; then
		echo "passed" >"$reports/$name.check"
	else
		echo "failed" >"$reports/$name.check"
		printf 'FAILED %s\n' "$name"
		tail -n 40 "$out"
	fi
}

lint() {
	say lint
	local sources=() scripts=()
	mapfile -t sources < <(find . -name build -prune -o -name '*.[ch]' -print)
	mapfile -t scripts < <(find . -name build -prune -o \( -name '*.sh' -o -path ./.ci/run \) -print)
	check lint-format clang-format --dry-run -Werror "${sources[@]}"
	check lint-layers scripts/check-layers.sh
	check lint-shell shellcheck -x "${scripts[@]}"
}

fuzz() {
	say "fuzz: ${OG_FUZZ_SECONDS:-12} s a parser"
	local fuzzer name
	for fuzzer in build/clang/tests/fuzz/fuzz_*; do
		if [ -d "$fuzzer" ] || [ ! -x "$fuzzer" ]; then continue; fi
		name=${fuzzer##*/}
		(
			corpus=$(mktemp -d)
			check "$name" "$fuzzer" -max_total_time="${OG_FUZZ_SECONDS:-12}" -timeout=5 -rss_limit_mb=1024 -verbosity=0 \
				-artifact_prefix="$reports/" "$corpus" "tests/fuzz/seeds/${name#fuzz_}"
			rm -rf "$corpus"
		) &
		while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
	done
	wait
}

# pytest_on FOLDER OPTION…: its report counts its tests; where it left none, that is a failure.
pytest_on() {
	local folder=$1 scratch
	shift
	scratch=$(mktemp -d /tmp/og.XXXX) # short: the path of a unix socket has 107 bytes
	"$@" -q -ra --durations=5 --basetemp="$scratch/t" "tests/$folder" --junitxml="$reports/$folder.xml" || true
	rm -rf "$scratch"
	[ -f "$reports/$folder.xml" ] || echo failed >"$reports/$folder.check"
}

# Most of an integration test is waiting, so four files run at a time, each with a RabbitMQ and Redis of its own; all share one real engine.
integration() {
	say integration
	local port engine
	port=$($python -c 'import sys; sys.path.insert(0, "tests/support"); import services; print(services.free_port())')
	$python scripts/engine/og-engine --port "$port" >"$reports/engine.out" 2>&1 &
	engine=$!
	export OG_BUILD=$PWD/build/asan OG_TEST_ENGINE_URL=http://127.0.0.1:$port
	pytest_on integration $python -m pytest -n 4 --dist loadfile
	kill "$engine"
	wait "$engine" || true
}

e2e() {
	say e2e
	export OG_BUILD=$PWD/build/release
	pytest_on e2e $python -m pytest
}

# Two of the clients; all of them are scripts/conformance.sh without --quick.
conformance() {
	say "conformance: OpenAI's and Ollama's clients"
	rm -f build/conformance/results.json
	OG_BUILD=$PWD/build/release scripts/conformance.sh --quick -- --junitxml="$reports/conformance.xml" >"$reports/conformance.out" 2>&1 || tail -n 60 "$reports/conformance.out"
	[ -f "$reports/conformance.xml" ] || echo failed >"$reports/conformance.check"
}

chaos() {
	say "chaos: the sharpest faults"
	OG_BUILD=$PWD/build/asan check chaos-quick $python tests/chaos --quick --json "$reports/chaos.json"
	tail -n 2 "$reports/chaos-quick.out"
}

bench() {
	say "bench: that it runs"
	OG_BUILD=$PWD/build/release check bench-quick scripts/bench.sh --quick
	# Memory is measured without the sanitizers, whose own would be counted.
	check batch-memory build/release/tests/unit/unit-producer-batch-test_run --filter "batch_run/many*"
}

say "packages"
quietly packages
quietly python_packages
if runs integration; then quietly schemathesis; fi

runs lint && lint
if runs unit || runs integration || runs e2e || runs chaos; then build asan; fi
if runs unit || runs fuzz; then build clang; fi
if runs e2e || runs conformance || runs bench; then build release; fi
if runs unit; then
	for preset in asan clang; do
		say "unit: $preset"
		rm -f build/"$preset"/reports/*.xml
		# Its exit status counts as a test of its own: a program that crashed left no report.
		check "unit-$preset" ctest --test-dir "build/$preset" -j $((2 * $(nproc))) --output-on-failure --timeout 120
		for xml in build/"$preset"/reports/*.xml; do cp "$xml" "$reports/$preset-${xml##*/}"; done
	done
fi
runs fuzz && fuzz
runs integration && integration
runs e2e && e2e
runs conformance && conformance
runs chaos && chaos
runs bench && bench

python3 scripts/sum-reports.py "$reports"
