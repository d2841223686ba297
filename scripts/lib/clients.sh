# shellcheck shell=bash
# The clients of scripts/conformance.sh, pinned, each kind in a folder of its own. Read by `.` from the root of the repository.

# python_clients PINS VENV
python_clients() {
	local stamp
	stamp=$(sha256sum <"$1")
	[ "$(cat "$2/.stamp" 2>/dev/null)" = "$stamp" ] && return
	rm -rf "$2"
	python3 -m venv "$2"
	"$2/bin/pip" install -q -r "$1"
	echo "$stamp" >"$2/.stamp"
}

# node_clients FOLDER
node_clients() {
	local stamp as=()
	if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
		[ "$(id -u)" = 0 ] || as=(sudo)
		"${as[@]}" apt-get -q update
		"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends nodejs npm
	fi
	stamp=$(sha256sum <tests/conformance/package-lock.json)
	[ "$(cat "$1/.node" 2>/dev/null)" = "$stamp" ] && return
	cp tests/conformance/package.json tests/conformance/package-lock.json "$1/"
	npm ci --prefix "$1" --no-audit --no-fund
	echo "$stamp" >"$1/.node"
}
