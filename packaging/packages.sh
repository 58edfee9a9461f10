# packages.sh - sourced by check and quickstart, which set `root` before.
#
# install_packages SECTION...: what packages.txt lists there and is missing,
# by apt-get, as root or through sudo. Nothing is asked, and nothing is done
# when all is there. Returns non-zero when something is still missing.

# shellcheck disable=SC2154 # root
listed() {
	awk -v want=" $* " '
		/^\[/ { gsub(/[][]/, ""); on = index(want, " " $0 " "); next }
		on && NF && !/^#/ { print $1 }' "$root/packaging/packages.txt"
}

missing() {
	for package in $(listed "$@"); do
		dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null |
			grep -q '^ii' || echo "$package"
	done
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Quiet unless it fails; a package manager at work elsewhere is waited for.
apt_get() {
	said=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o DPkg::Lock::Timeout=120 "$@" 2>&1) || {
		printf '%s\n' "$said" | tail -n 20 >&2
		return 1
	}
}

install_packages() {
	if ! command -v apt-get >/dev/null 2>&1 ||
		! command -v dpkg-query >/dev/null 2>&1; then
		echo "There is no apt-get here: install what" \
			"packaging/packages.txt lists ($*) yourself, then" \
			"run: make && make check" >&2
		return 1
	fi
	need=$(missing "$@" | tr '\n' ' ')
	[ -n "$need" ] || return 0
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
		echo "These packages are missing, and only root can install" \
			"them (there is no sudo): apt-get install $need" >&2
		return 1
	fi
	echo "Installing: $need"
	# With an old list of packages the installation may still succeed.
	apt_get update ||
		echo "apt-get update failed; going on with what it knows." >&2
	# shellcheck disable=SC2086 # one word a package
	apt_get install --no-install-recommends $need || true
	need=$(missing "$@" | tr '\n' ' ')
	[ -z "$need" ] || {
		echo "These packages could not be installed: $need" >&2
		return 1
	}
}
