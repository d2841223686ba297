# shellcheck shell=bash disable=SC2154
# What the scripts that test share: packages, builds, and a log for what is quiet. Read by `.` from the root of the repository, with
# `log` set: the file that quiet commands write to.

say() { printf '== %s\n' "$*"; }

# quietly COMMAND…: it stops at the first thing in it that fails, which `if ! COMMAND` would not, and ends this script then.
quietly() {
	local rc
	set +e
	(
		set -e
		"$@"
	) >>"$log" 2>&1
	rc=$?
	set -e
	[ "$rc" = 0 ] && return
	tail -n 60 "$log"
	echo "${0##*/}: '$*' failed; all of it is in ${log#"$PWD/"}" >&2
	exit 1
}

packages() {
	local wanted=(clang clang-format libclang-rt-dev shellcheck libcriterion-dev rabbitmq-server redis-server python3 python3-venv openssl
		iproute2 iptables procps systemd haproxy nginx-light caddy) missing=() p
	for p in "${wanted[@]}"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
	done
	POC_SERVE=1 OPENGATEWAY_POC_ROOT=$PWD/build/install-log scripts/install.sh --dependencies
	[ ${#missing[@]} -eq 0 ] && return
	local as=()
	[ "$(id -u)" = 0 ] || as=(sudo)
	"${as[@]}" apt-get -q update
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${missing[@]}"
}

python_packages() {
	local venv=build/venv stamp
	stamp=$(cat tests/requirements.txt scripts/engine/requirements.txt | sha256sum)
	[ "$(cat $venv/.stamp 2>/dev/null)" = "$stamp" ] && return
	rm -rf $venv
	python3 -m venv $venv
	$venv/bin/pip install -q -r tests/requirements.txt
	$venv/bin/pip install -q --no-deps -r scripts/engine/requirements.txt
	echo "$stamp" >$venv/.stamp
}

# A test that wants it is skipped where it cannot be had.
schemathesis() {
	local venv=build/schemathesis stamp
	stamp=$(sha256sum <tests/requirements-schemathesis.txt)
	[ "$(cat $venv/.stamp 2>/dev/null)" = "$stamp" ] && return
	rm -rf $venv
	python3 -m venv $venv
	if ! $venv/bin/pip install -q -r tests/requirements-schemathesis.txt; then
		rm -rf $venv
		return
	fi
	echo "$stamp" >$venv/.stamp
}

build() {
	local preset
	for preset in "$@"; do
		say "build: $preset"
		quietly cmake --preset "$preset"
		quietly cmake --build "build/$preset"
	done
}
