#!/usr/bin/env bash
# The three-node scenario on one machine: NodeA joins and serves, NodeB joins and sees NodeA, NodeC joins, sees both, asks a question and gets
# exactly one answer, from another node. Exit status 0 when all of it happened.
#
#   scripts/run-poc.sh [--check | --keep]
#
# --check prints the cluster id and what the scenario needs, and starts nothing; --keep leaves the network running afterwards.
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

was_running=0
[ ! -S "$root/run/supervisor.sock" ] || was_running=1
finish() {
	if [ $keep = 0 ] && [ $was_running = 0 ] && [ -x "$root/bin/og" ]; then "$root/bin/og" stop >&2 || true; fi
}
trap finish EXIT

# logged NODE TEXT: waits until the node's log holds the text, and shows the line.
logged() {
	local log=$root/logs/worker-${1,,}.log end=$((SECONDS + 30)) line
	until line=$(grep -F -m1 -- "$2" "$log" 2>/dev/null); do
		[ $SECONDS -lt $end ] || die "$1 did not log '$2' within 30 s; its log is $log"
		sleep 0.2
	done
	say "  $1: $line"
}

say "NodeA joins and serves"
NODE_NAME=NodeA POC_SERVE=1 "$here/install.sh"
logged NodeA "Joined cluster $cluster"
logged NodeA "Listening for peers"

say "NodeB joins and sees NodeA"
NODE_NAME=NodeB POC_SERVE=1 "$here/install.sh"
logged NodeB "Peers: [NodeA]"
logged NodeA "Peers: [NodeB]"

say "NodeC joins, sees both, and asks"
NODE_NAME=NodeC POC_SERVE=0 "$here/install.sh"
logged NodeC "Peers: [NodeA, NodeB]"
id=$(cat /proc/sys/kernel/random/uuid)
say "  NodeC asks: $question"
answer=$(NODE_NAME=NodeC "$root/bin/og" prompt --request-id "$id" "$question")
[ -n "$answer" ] || die "the answer is empty"
job=$("$root/bin/og" job "$id" --json)
node=$(printf '%s' "$job" | sed -n 's/.*"node_name": *"\([^"]*\)".*/\1/p' | head -n1)
case $node in
NodeA | NodeB) say "  answered by $node: $answer" ;;
*) die "the job was answered by '$node', not by NodeA or NodeB" ;;
esac
say "done: one prompt, one answer, from another node"
