#!/usr/bin/env bash
# The three-node scenario on one machine: NodeA joins and serves, NodeB joins and sees NodeA, NodeC joins, sees both, asks a question and gets
# exactly one answer, from another node. Exit status 0 when all of it happened.
#
#   scripts/run-poc.sh [--check | --keep]
#
# --check prints the cluster id and what the scenario needs, and starts nothing; --keep leaves the three nodes running afterwards. Without
# it they go again: with everything else where nothing ran before.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${OPENGATEWAY_POC_ROOT:-$HOME/.opengateway-poc}
cluster=${POC_CLUSTER_ID:-gatewayai-poc}
question='What is 2+2?'
keep=0
case ${1:-} in
'' | --check) ;;
--keep) keep=1 ;;
*)
	echo "run-poc.sh: unknown option '$1'; there are --check and --keep" >&2
	exit 2
	;;
esac

say() { printf '%s\n' "$*"; }
die() {
	say "run-poc.sh: $*" >&2
	exit 1
}

say "cluster: $cluster"
say "root:    $root"
for program in curl gcc cmake rabbitmq-server redis-server python3; do
	if command -v "$program" >/dev/null || [ -x "/usr/lib/rabbitmq/bin/$program" ]; then
		say "  $program: here"
	else
		say "  $program: missing; the installer installs it"
	fi
done
[ "${1:-}" != --check ] || exit 0

was_running=0 joined=()
declare -A skip=() # bytes of a node's log that an earlier run wrote
[ ! -S "$root/run/supervisor.sock" ] || was_running=1
finish() {
	[ $keep = 0 ] && [ -x "$root/bin/og" ] || return 0
	if [ $was_running = 0 ]; then
		"$root/bin/og" stop >&2 || true
		return
	fi
	local node
	for node in "${joined[@]}"; do NODE_NAME=$node "$root/bin/og" disconnect "$cluster" >&2 || true; done
}
trap finish EXIT

# join NODE SERVES: a node that was there before stays afterwards.
join() {
	if [ ! -e "$root/services/30-worker-${1,,}.ini" ]; then
		joined=("$1" "${joined[@]}")
		skip[$1]=$(stat -c %s "$root/logs/worker-${1,,}.log" 2>/dev/null || echo 0)
	fi
	NODE_NAME=$1 POC_SERVE=$2 "$here/install.sh"
}

# logged NODE -F|-E TEXT: waits until the node's log holds the text (or the expression), and shows the line.
logged() {
	local log=$root/logs/worker-${1,,}.log end=$((SECONDS + 30)) line
	until line=$(grep "$2" -m1 -- "$3" < <(tail -c "+$((${skip[$1]:-0} + 1))" "$log" 2>/dev/null)); do
		[ $SECONDS -lt $end ] || die "$1 did not log '$3' within 30 s; its log is $log"
		sleep 0.2
	done
	say "  $1: $line"
}

# sees NODE NAME…: waits until a list of peers in the node's log holds these names, others or not, and shows it.
sees() {
	local node=$1 pattern='Peers: \[' name
	shift
	for name in "$@"; do pattern+="([^]]*, )?$name"; done
	logged "$node" -E "${pattern}[],]"
}

say "NodeA joins and serves"
join NodeA 1
logged NodeA -F "Joined cluster $cluster"
logged NodeA -F "Listening for peers"

say "NodeB joins and sees NodeA"
join NodeB 1
sees NodeB NodeA
sees NodeA NodeB

say "NodeC joins, sees both, and asks"
join NodeC 0
sees NodeC NodeA NodeB
id=$(cat /proc/sys/kernel/random/uuid)
say "  NodeC asks: $question"
answer=$(NODE_NAME=NodeC "$root/bin/og" prompt --request-id "$id" "$question")
[ -n "$answer" ] || die "the answer is empty"
job=$("$root/bin/og" job "$id" --json)
node=$(printf '%s' "$job" | sed -n 's/.*"node_name": *"\([^"]*\)".*/\1/p' | head -n1)
case $node in
'' | NodeC) die "the job was answered by '$node', not by another node" ;;
*) say "  answered by $node: $answer" ;;
esac
say "done: one prompt, one answer, from another node"
