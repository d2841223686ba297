#!/usr/bin/env bash
# Faults against the whole chain: the real RabbitMQ and Redis, two schedulers, workers and stub engines, a load of jobs, and one checker
# over all that was accepted. docs/RELIABILITY.md says what must hold. Installs and builds what it needs, as test.sh does.
#
#   scripts/chaos.sh                all faults
#   scripts/chaos.sh --quick        the sharpest, within two minutes
#   scripts/chaos.sh --soak 2h      faults at random for so long, to one network: memory and descriptors stay flat
#
# Options: --seed N  replays a run's choices;  --faults 1,3,15  only these;  --json FILE  the report for programs;  --list;  --help
# OG_BUILD: the folder of a build to use as it is. Exit status: 0 everything held, 1 something did not, 2 wrong usage, 130 interrupted.
set -euo pipefail
from=$PWD # where a path of --json is
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

case " $* " in *" --help "* | *" -h "*)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$root/scripts/chaos.sh"
	exit 0
	;;
esac
mkdir -p build
log=$PWD/build/chaos.log
: >"$log"
# shellcheck source=scripts/lib/testing.sh
. scripts/lib/testing.sh

say packages
quietly packages
quietly python_packages
chaos=("$root/build/venv/bin/python" "$root/tests/chaos" "$@")
"${chaos[@]}" --list >"$log" # wrong usage is told before anything is built
case " $* " in *" --list "*) exec cat "$log" ;; esac
if [ -z "${OG_BUILD:-}" ]; then
	preset=asan # a soak looks at memory, which a sanitizer would hold back
	case " $* " in *" --soak "*) preset=release ;; esac
	build $preset
	export OG_BUILD=$PWD/build/$preset
	case " $* " in *" --quick "* | *" --soak "* | *" --faults "*) ;; *) build clang ;; esac # the fuzzers
fi
cd "$from"
exec "${chaos[@]}"
