#!/usr/bin/env bash
# One command to a node of an OpenGateway network.
#
#   ./scripts/install.sh                                      join the network of this machine, without serving
#   POC_SERVE=1 POC_PROMPT='What is 2+2?' ./scripts/install.sh   serve, ask, print the answer
#   curl -fsSL URL/install.sh | NODE_NAME=NodeA POC_SERVE=1 OPENGATEWAY_SOURCE=URL bash
#   OPENGATEWAY_SOURCE=URL bash <(curl -fsSL URL/install.sh)
#
# Five steps, in order: dependencies, programs, gauge, eligible tiers, join. Run it again at any time: what is done is not done twice.
# Progress goes to stderr; stdout carries the answer to POC_PROMPT and nothing else. It never reads stdin (which may be this script).
#
# Environment:
#   POC_CLUSTER_ID          the cluster to join                                    (gatewayai-poc)
#   NODE_NAME               what people call this node                             (host name and four digits)
#   POC_SERVE               1: answer prompts                                      (0)
#   POC_PROMPT              ask this, print the answer, exit with og's exit status
#   OPENGATEWAY_POC_ROOT    where everything goes                                  (~/.opengateway-poc)
#   OG_JOIN                 the line that `og-broker-config invite NAME` printed on the broker's host; without it this machine
#                           gets a broker, a Redis and a scheduler of its own
#   OG_LISTEN               an address of this machine on which its broker also listens, for other hosts
#   OG_ENGINE_URL           an engine that already runs (OpenAI-compatible; OG_ENGINE_KIND=ollama for Ollama's own API)
#   OPENGATEWAY_SOURCE      where the source is: a folder, a tarball, a git URL, file://…  (the tree this script lies in)
#
# Options: --dependencies  install the packages and stop;  --help

main() {
	set -euo pipefail
	exec 3>&1 1>&2 </dev/null

	cluster=${POC_CLUSTER_ID:-gatewayai-poc}
	serve=${POC_SERVE:-0}
	root=${OPENGATEWAY_POC_ROOT:-${HOME:?HOME is not set, and OPENGATEWAY_POC_ROOT neither}/.opengateway-poc}
	case $root in /*) ;; *) root=$PWD/$root ;; esac
	# The programs see the same choices, wherever the script got them from.
	export POC_CLUSTER_ID=$cluster POC_SERVE=$serve OPENGATEWAY_POC_ROOT=$root
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/opengateway
	log=$root/logs/install.log
	scratch=()
	trap 'rm -rf "${scratch[@]}"' EXIT

	case ${1:-} in
	'' | --dependencies) ;;
	--help)
		usage >&3
		return 0
		;;
	*) fail "unknown option '$1'" "this script takes --dependencies and --help only" "choices are environment variables: see --help" ;;
	esac
	case $serve in
	0 | 1) ;;
	*) fail "POC_SERVE is '$serve'" "it says whether this node answers prompts" "set it to 1 or to 0" ;;
	esac

	mkdir -p "$root/logs" || fail "cannot make $root/logs" "the folder is not writable" "choose another with OPENGATEWAY_POC_ROOT"
	: >"$log"
	local started=$SECONDS
	restart=0

	check_system
	step 1 "dependencies"
	install_dependencies
	[ "${1:-}" != --dependencies ] || return 0
	step 2 "programs"
	install_programs
	step 3 "what this machine has"
	"$root/bin/og-gauge" || fail "og-gauge failed" "its message is above" "mend what it names and run this again"
	step 4 "what it may serve"
	"$root/bin/og" eligible || fail "og eligible failed" "its message is above" "mend what it names and run this again"
	step 5 "join $cluster"
	join_cluster
	say "ready after $((SECONDS - started)) s: $root/bin/og prompt 'What is 2+2?'"
	[ ! -S "$root/run/gateway-main.sock" ] ||
		say "OpenAI's clients: http://$(setting gateway listen)/v1, their key is in $root/secrets/gateway.key"

	[ -n "${POC_PROMPT:-}" ] || return 0
	say "prompt: $POC_PROMPT"
	"$root/bin/og" prompt "$POC_PROMPT" >&3
}

usage() {
	cat <<-'END'
		install.sh: make this machine a node of an OpenGateway network.

		  POC_SERVE=1 POC_PROMPT='What is 2+2?' ./scripts/install.sh

		Options: --dependencies (install the packages and stop), --help.
		Environment: POC_CLUSTER_ID, NODE_NAME, POC_SERVE, POC_PROMPT, OPENGATEWAY_POC_ROOT, OG_JOIN, OG_LISTEN,
		OG_ENGINE_URL, OG_ENGINE_KIND, OPENGATEWAY_SOURCE; docs/INSTALL.md says what each does.
	END
}

say() { printf '%s\n' "$*"; }
step() { printf '[%s/5] %s\n' "$1" "$2"; }

# fail WHAT WHY MEND
fail() {
	printf 'install.sh: %s\n  why:  %s\n  mend: %s\n' "$1" "$2" "$3"
	exit 1
}

# try WHAT MEND command…: quiet while it works; its last words when it does not.
try() {
	local what=$1 mend=$2
	shift 2
	if ! "$@" >>"$log" 2>&1; then
		fail "$what failed" "$(tail -n 3 "$log" | tr '\n' ' ')" "$mend (everything it said: $log)"
	fi
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# ---- 0. the system ----

check_system() {
	[ "$(uname -s)" = Linux ] || fail "this is $(uname -s)" "OpenGateway runs on Linux" "use a Linux machine, or a virtual one"
	case $(uname -m) in
	x86_64 | aarch64) ;;
	*) fail "this is a $(uname -m) machine" "x86-64 and arm64 are supported" "use one of them" ;;
	esac
	local id='' version=''
	if [ -r /etc/os-release ]; then
		id=$(sed -n 's/^ID=//p' /etc/os-release | tr -d '"')
		version=$(sed -n 's/^VERSION_ID=//p' /etc/os-release | tr -d '"')
	fi
	case $id in
	debian) [ "${version%%.*}" -ge 12 ] 2>/dev/null || [ -z "$version" ] || fail "this is Debian $version" "its RabbitMQ is too old" "use Debian 12 or later" ;;
	ubuntu) [ "${version%%.*}" -ge 24 ] 2>/dev/null || fail "this is Ubuntu $version" "its RabbitMQ is older than 3.10" "use Ubuntu 24.04 or later" ;;
	*) fail "this is ${id:-an unknown system} $version" "packages are installed with apt, from Debian 12+ or Ubuntu 24.04+" "use one of them" ;;
	esac
	command -v curl >/dev/null || say "curl is not here yet: it is installed with the dependencies"
}

# ---- 1. dependencies ----

install_dependencies() {
	local wanted=(ca-certificates curl tar gcc libc6-dev cmake ninja-build pkg-config
		librabbitmq-dev libhiredis-dev libjansson-dev libcurl4-openssl-dev uuid-dev libuv1-dev libmicrohttpd-dev libinih-dev uthash-dev libssl-dev libncurses-dev)
	case ${OPENGATEWAY_SOURCE:-} in *.git) wanted+=(git) ;; esac
	[ -n "${OG_JOIN:-}" ] || wanted+=(rabbitmq-server redis-server)
	[ "$serve" = 0 ] || [ -n "${OG_ENGINE_URL:-}" ] || wanted+=(python3 python3-venv)

	local missing=() package
	for package in "${wanted[@]}"; do
		installed "$package" || missing+=("$package")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		say "installing ${missing[*]}"
		[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
			fail "packages are missing: ${missing[*]}" "only root may install them, and there is no sudo" "as root: apt-get install ${missing[*]}"
		local held=0
		hold_services "${missing[@]}" && held=1
		try "apt-get update" "check this machine's package sources" as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
		try "apt-get install ${missing[*]}" "check this machine's package sources" \
			as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${missing[@]}"
		[ $held = 0 ] || release_services "${missing[@]}"
	fi
	[ -n "${OG_JOIN:-}" ] || check_rabbitmq
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Debian starts a server as soon as it is installed. Ours are our own processes: what this script installs stays off, and what was there
# before is not touched.
hold_services() {
	case " $* " in *' rabbitmq-server '* | *' redis-server '*) ;; *) return 1 ;; esac
	[ ! -e /usr/sbin/policy-rc.d ] || return 1
	as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d'
}

release_services() {
	as_root rm -f /usr/sbin/policy-rc.d
	[ -d /run/systemd/system ] || return 0
	local package
	for package in rabbitmq-server redis-server; do
		case " $* " in *" $package "*) as_root systemctl disable --quiet "$package" >>"$log" 2>&1 || true ;; esac
	done
}

check_rabbitmq() {
	local version
	version=$(dpkg-query -W -f '${Version}' rabbitmq-server)
	dpkg --compare-versions "$version" ge 3.10 ||
		fail "RabbitMQ is $version" "quorum queues with a message TTL need 3.10" "install RabbitMQ 3.10 or later"
}

# ---- 2. programs ----

install_programs() {
	local source key
	find_source
	key=$(cd "$source" && find CMakeLists.txt cmake common broker-config gateway gauge producer scheduler worker scripts -type f -print0 |
		sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
	local prefix=$cache/$key
	if [ ! -x "$prefix/bin/og" ]; then
		say "building from $source"
		local build
		build=$(mktemp -d "${TMPDIR:-/tmp}/opengateway-build.XXXXXX")
		scratch+=("$build")
		try "cmake" "see $log" cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_INSTALL_PREFIX="$prefix.new"
		try "the build" "see $log" cmake --build "$build"
		rm -rf "$prefix.new"
		try "cmake --install" "is the disk full?" cmake --install "$build"
		install -m 755 "$source/scripts/engine/og-engine" "$source/scripts/embedded/og-rabbitmq" "$prefix.new/bin/"
		install -m 644 "$source/scripts/engine/requirements.txt" "$source/scripts/uninstall.sh" "$prefix.new/"
		rm -rf "$prefix" "$build"
		mv "$prefix.new" "$prefix"
	fi
	mkdir -p "$root/bin"
	if [ "$(cat "$root/bin/.build" 2>/dev/null)" != "$key" ]; then
		# Renamed into place, so that a running program's file is never written to.
		local file
		for file in "$prefix"/bin/*; do
			cp -P "$file" "$root/bin/.new" && mv -f "$root/bin/.new" "$root/bin/${file##*/}"
		done
		install -m 755 "$prefix/uninstall.sh" "$root/uninstall.sh"
		printf '%s\n' "$key" >"$root/bin/.build"
		restart=1
	fi
	engine_requirements=$prefix/requirements.txt
	link_programs
}

# Sets `source` to a folder with the tree in it.
find_source() {
	local from=${OPENGATEWAY_SOURCE:-} here=${BASH_SOURCE[0]:-}
	if [ -z "$from" ] && [ -f "$here" ] && [ -f "$(dirname "$here")/../CMakeLists.txt" ]; then
		from=$(cd "$(dirname "$here")/.." && pwd)
	fi
	[ -n "$from" ] || fail "there is no source to build from" "this script came through a pipe and OPENGATEWAY_SOURCE is not set" \
		"set OPENGATEWAY_SOURCE to the repository's git URL, a tarball or a folder"
	case $from in file://*) from=${from#file://} ;; esac
	if [ -d "$from" ] && [ -f "$from/CMakeLists.txt" ]; then
		source=$(cd "$from" && pwd)
		return
	fi
	source=$(mktemp -d "${TMPDIR:-/tmp}/opengateway-source.XXXXXX")
	scratch+=("$source")
	case $from in
	*.git) try "git clone $from" "is the URL right, and reachable?" git clone -q --depth 1 "$from" "$source/tree" ;;
	*.tar.gz | *.tgz)
		mkdir "$source/tree"
		if [ -f "$from" ]; then
			try "unpacking $from" "is it a tar.gz of the tree?" tar -xzf "$from" -C "$source/tree" --strip-components=1
		else
			try "fetching $from" "is the URL right, and reachable?" curl -fsSL -o "$source/tree.tgz" "$from"
			try "unpacking $from" "is it a tar.gz of the tree?" tar -xzf "$source/tree.tgz" -C "$source/tree" --strip-components=1
		fi
		;;
	*) fail "OPENGATEWAY_SOURCE is '$from'" "it is no folder with the tree in it, no .git URL and no .tar.gz" "correct it" ;;
	esac
	source=$source/tree
	[ -f "$source/CMakeLists.txt" ] || fail "no OpenGateway in '$from'" "there is no CMakeLists.txt in it" "correct OPENGATEWAY_SOURCE"
}

# og and opengateway on the PATH, where that can be had without disturbing anybody's file.
link_programs() {
	local folder=$HOME/.local/bin name
	[ "$(id -u)" != 0 ] || folder=/usr/local/bin
	mkdir -p "$folder"
	for name in og opengateway; do
		if [ ! -e "$folder/$name" ] || [ "$(readlink "$folder/$name")" = "$root/bin/$name" ]; then
			ln -sfn "$root/bin/$name" "$folder/$name"
		else
			say "left $folder/$name alone: it is not this installation's; ours is $root/bin/$name"
		fi
	done
	case ":$PATH:" in
	*":$folder:"*) ;;
	*) say "og is in $folder, which is not in your PATH yet: export PATH=\"$folder:\$PATH\", or log in anew" ;;
	esac
}

# ---- 5. join ----

# The services of this machine, in the order in which the supervisor starts them. `og connect` writes the worker's, 30-worker-<node>.
join_cluster() {
	local og=$root/bin/og config=$root/bin/og-broker-config
	mkdir -p "$root/services" "$root/run"
	if [ -n "${OG_JOIN:-}" ]; then
		"$config" accept "$OG_JOIN" || fail "OG_JOIN was not taken" "its message is above" "ask for a fresh line: og-broker-config invite NAME"
	else
		embedded_servers
	fi
	[ "$serve" = 0 ] || choose_engine
	start_services
	if [ -z "${OG_JOIN:-}" ]; then
		"$config" upgrade || fail "the broker could not be set up" "its message is above" "$root/logs/rabbitmq.log may say more"
		service 25-scheduler "command = \"$root/bin/og-scheduler\""
		gateway_service
		"$og" start || fail "the scheduler or the gateway did not start" "its message is above" "look into $root/logs"
	fi
	"$og" connect "$cluster" || fail "this node did not join $cluster" "its message is above" "look into $root/logs"
}

# The RabbitMQ and Redis of this machine. Where they listen is chosen once and stands in config.ini.
embedded_servers() {
	local config=$root/bin/og-broker-config listen=${OG_LISTEN:-} changed
	if [ ! -f "$root/config.ini" ]; then
		local port=5672
		case $listen in
		*:*) port=${listen##*:} ;;
		*) port=$(free_port $port) ;;
		esac
		cat >"$root/config.ini" <<-END
			; The settings of this installation; docs/CONFIG.md lists all there are.
			[cluster]
			id = $cluster

			[broker]
			endpoints = 127.0.0.1:$port
			management = http://127.0.0.1:$(free_port 15672)
		END
		[ -z "$listen" ] || printf 'advertise = %s:%s\n' "${listen%:*}" "$port" >>"$root/config.ini"
	fi
	changed=$("$config" render "$root" ${listen:+--listen "$listen"}) ||
		fail "the servers' configuration could not be written" "og-broker-config says why, above" "mend what it names"
	[ -z "$changed" ] || restart=1
	service 10-rabbitmq "command = \"$root/bin/og-rabbitmq\" \"$root/rabbitmq\"" \
		"ready = tcp:$(setting broker endpoints)" "stop_ms = 60000"
	service 20-redis "command = redis-server \"$root/redis/redis.conf\"" "ready = unix:$root/redis/redis.sock"
	# What the gateways remember: only where there is a gateway.
	if [ -x "$root/bin/og-gateway" ]; then
		service 21-store "command = redis-server \"$root/store/redis.conf\"" "ready = unix:$root/store/redis.sock"
	fi
}

# HTTP for the clients that people have. Where it listens is chosen once, as for the servers above.
gateway_service() {
	if [ -z "$(setting gateway listen)" ]; then
		"$root/bin/og" config --write "gateway.listen=127.0.0.1:$(free_port 8080)" ||
			fail "config.ini could not be written" "og says why, above" "mend what it names"
	fi
	service 26-gateway "command = \"$root/bin/og-gateway\" --name main" "ready = unix:$root/run/gateway-main.sock"
}

# Sets engine.kind and engine.url: what the user names, else an Ollama that runs and has a model, else the embedded engine.
choose_engine() {
	local ollama=http://127.0.0.1:11434 url
	if [ -n "${OG_ENGINE_URL:-}" ]; then
		engine_settings "${OG_ENGINE_KIND:-openai}" "$OG_ENGINE_URL"
	elif curl -fs -m 2 "$ollama/api/tags" 2>/dev/null | grep -q '"name"'; then
		say "using the Ollama at $ollama"
		engine_settings ollama "$ollama"
	else
		url=$(sed -n 's/^ready = tcp:/http:\/\//p' "$root/services/22-engine.ini" 2>/dev/null || true)
		[ -n "$url" ] || url=http://127.0.0.1:$(free_port 18080)
		embedded_engine "${url##*:}"
		engine_settings openai "$url"
		return
	fi
	rm -f "$root/services/22-engine.ini"
}

embedded_engine() {
	local port=$1 venv=$root/engine/venv
	if ! cmp -s "$engine_requirements" "$venv/.installed"; then
		say "installing the engine and its model"
		rm -rf "$venv"
		try "python3 -m venv" "is the package python3-venv installed?" python3 -m venv "$venv"
		try "pip install of the engine" "does pip reach its package index?" \
			"$venv/bin/pip" install -q --no-deps -r "$engine_requirements"
		cp "$engine_requirements" "$venv/.installed"
	fi
	service 22-engine "command = \"$venv/bin/python\" \"$root/bin/og-engine\" --port $port --slots 2" "ready = tcp:127.0.0.1:$port"
}

# The engine belongs to this machine, whose nodes share config.ini.
engine_settings() {
	if ! "$root/bin/og" config --write "engine.kind=$1" || ! "$root/bin/og" config --write "engine.url=$2"; then
		fail "config.ini could not be written" "og says why, above" "mend what it names"
	fi
}

# The value of a key in config.ini.
setting() {
	sed -n "/^\[$1\]/,/^\[/s/^$2 *= *//p" "$root/config.ini" | tail -n 1
}

start_services() {
	local og=$root/bin/og
	# New programs or new server settings: everything starts afresh. What runs in an engine is finished first.
	if [ "${restart:-0}" = 1 ] && [ -S "$root/run/supervisor.sock" ]; then
		say "restarting, for what changed"
		"$og" stop || true
		rm -f "$root/services/25-scheduler.ini" # until the broker is as this version wants it
	fi
	[ ! -d /run/systemd/system ] || systemd_unit
	"$og" start || fail "the services did not start" "its message is above" "look into $root/logs"
}

# One unit that keeps them all: a system unit for root, else a user unit that lingers after logout.
systemd_unit() {
	local folder=/etc/systemd/system scope=() target=multi-user.target
	if [ "$(id -u)" != 0 ]; then
		folder=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user scope=(--user) target=default.target
		loginctl enable-linger 2>>"$log" || say "loginctl enable-linger failed: the node stops when you log out"
	fi
	mkdir -p "$folder"
	unit_text "$target" >"$folder/opengateway.service.new"
	if cmp -s "$folder/opengateway.service.new" "$folder/opengateway.service"; then
		rm "$folder/opengateway.service.new"
	else
		mv "$folder/opengateway.service.new" "$folder/opengateway.service"
		try "systemctl daemon-reload" "see systemctl status" systemctl "${scope[@]}" daemon-reload
	fi
	try "systemctl enable --now opengateway" "see journalctl -u opengateway" systemctl "${scope[@]}" enable --now opengateway.service
}

unit_text() {
	cat <<-END
		[Unit]
		Description=OpenGateway node
		After=network-online.target
		Wants=network-online.target

		[Service]
		Environment="OPENGATEWAY_POC_ROOT=$root"
		ExecStart="$root/bin/og" start --foreground
		Restart=on-failure
		TimeoutStopSec=120
		KillMode=mixed

		[Install]
		WantedBy=$1
	END
}

# The first port from $1 on that nobody listens on.
free_port() {
	local port=$1
	while (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	echo "$port"
}

# service NAME LINE…: the file that tells the supervisor about a process.
service() {
	local file=$root/services/$1.ini
	shift
	printf '%s\n' '[service]' "$@" >"$file.new"
	mv "$file.new" "$file"
}

main "$@"
