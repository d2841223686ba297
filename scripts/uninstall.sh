#!/usr/bin/env bash
# Takes away what install.sh put here: stops the processes, removes unit, links, programs and build cache, then, after asking, the data
# (broker, Redis, secrets, settings, logs, the engine). Packages stay: other things may use them.
#
#   ~/.opengateway-poc/uninstall.sh [--yes | --keep-data]
#
# It takes away the installation that it lies in, or the one that OPENGATEWAY_POC_ROOT names.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -e "$here/config.ini" ] || [ -e "$here/bin/.build" ] || here=$HOME/.opengateway-poc
root=${OPENGATEWAY_POC_ROOT:-$here}
data=ask
case ${1:-} in
'') ;;
--yes) data=remove ;;
--keep-data) data=keep ;;
*)
	echo "uninstall.sh: unknown option '$1'; there are --yes (the data too) and --keep-data" >&2
	exit 2
	;;
esac
[ -d "$root" ] || { echo "uninstall.sh: nothing at $root (OPENGATEWAY_POC_ROOT says where)"; exit 0; }
# A folder that is not ours is never removed.
[ -e "$root/bin/.build" ] || [ -e "$root/config.ini" ] || {
	echo "uninstall.sh: $root does not look like an installation (no bin/.build, no config.ini): left alone" >&2
	exit 1
}

user_units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
for unit in /etc/systemd/system/opengateway.service "$user_units/opengateway.service"; do
	grep -qs "$root/bin/og" "$unit" || continue
	scope=()
	[ "$unit" = /etc/systemd/system/opengateway.service ] || scope=(--user)
	systemctl "${scope[@]}" disable --now opengateway.service || true
	rm -f "$unit"
	systemctl "${scope[@]}" daemon-reload || true
	echo "removed $unit"
done
if [ -x "$root/bin/og" ] && [ -S "$root/run/supervisor.sock" ]; then
	OPENGATEWAY_POC_ROOT=$root "$root/bin/og" stop || echo "uninstall.sh: og stop failed; going on"
fi
for name in og opengateway; do
	for folder in /usr/local/bin "$HOME/.local/bin"; do
		if [ "$(readlink "$folder/$name" 2>/dev/null)" = "$root/bin/$name" ]; then rm -f "$folder/$name"; fi
	done
done
rm -rf "${root:?}/bin" "${XDG_CACHE_HOME:-$HOME/.cache}/opengateway"
echo "stopped and removed the programs"

if [ "$data" = ask ]; then
	data=keep
	if [ -t 0 ]; then
		read -r -p "Remove all data in $root (jobs, secrets, settings, logs)? [y/N] " answer
		case $answer in y | Y | yes) data=remove ;; esac
	fi
fi
if [ "$data" = remove ]; then
	rm -rf "$root"
	echo "removed $root"
else
	echo "kept the data in $root ($root/uninstall.sh --yes removes it)"
fi
