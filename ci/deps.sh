#!/bin/sh
# Installs what tests and measurements need besides Go modules: nginx with nchan,
# a rival in bench, and, unless called as "deps.sh bench", PHP, Python, NATS, browsers
# and npm for the end-to-end tests. Without root or apt the tests that need them are
# skipped; with CI=true that is a failure, since the whole suite must run there.
set -eu

missing=
{ PATH="$PATH:/usr/sbin" command -v nginx >/dev/null; } || missing="$missing nginx"
[ -e /usr/lib/nginx/modules/ngx_nchan_module.so ] || missing="$missing libnginx-mod-nchan"
if [ "${1:-}" != bench ]; then
	command -v php >/dev/null || missing="$missing php-cli"
	{ command -v php >/dev/null && php -m | grep -qix curl; } || missing="$missing php-curl"
	{ command -v php >/dev/null && php -m | grep -qix sqlite3; } || missing="$missing php-sqlite3"
	{ PATH="$PATH:/usr/sbin" command -v nats-server >/dev/null; } || missing="$missing nats-server"
	command -v composer >/dev/null || missing="$missing composer"
	[ -e /usr/share/php/Illuminate/Foundation/Application.php ] || missing="$missing php-laravel-framework php-mbstring php-xml"
	{ command -v node && command -v npm; } >/dev/null || missing="$missing nodejs npm"
	# A python3 of one's own may come first in PATH: the tests look for either.
	{ python3 -c 'import wheel, setuptools, pip, venv' || /usr/bin/python3 -c 'import wheel, setuptools, pip, venv'; } >/dev/null 2>&1 ||
		missing="$missing python3-setuptools python3-wheel python3-pip python3-venv"
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="$missing chromium"
	PATH="$PATH:/usr/sbin" command -v haproxy >/dev/null || missing="$missing haproxy"
	command -v codespell >/dev/null || missing="$missing codespell"
	command -v systemd-analyze >/dev/null || missing="$missing systemd"
	command -v promtool >/dev/null || missing="$missing prometheus"
	command -v firefox-esr >/dev/null || command -v firefox >/dev/null || missing="$missing firefox-esr"
fi
[ -n "$missing" ] || exit 0

# Debian starts services that it installs, now and at every boot. These must not
# start: bench and tests start them on ports of their own.
policy=/usr/sbin/policy-rc.d
start_nothing() {
	[ ! -e $policy ] || return 0
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod +x $policy
	trap 'rm -f $policy' EXIT
}
leave_off() {
	case "$missing " in
	*" nginx "*) ! command -v systemctl >/dev/null || systemctl disable -q nginx >/dev/null 2>&1 || true ;;
	esac
	case "$missing " in
	*" nats-server "*) ! command -v systemctl >/dev/null || systemctl disable -q nats-server >/dev/null 2>&1 || true ;;
	esac
}

why=
if [ "$(id -u)" != 0 ]; then
	why="not root"
elif ! command -v apt-get >/dev/null; then
	why="no apt-get"
else
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp)
	echo "installing$missing"
	start_nothing
	# shellcheck disable=SC2086 # a list of packages
	if { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
		leave_off
		exit 0
	fi
	tail -n 20 "$log" >&2
	why="apt-get failed"
fi

echo "missing:$missing ($why); the tests that need them are skipped" >&2
if [ "${CI:-}" = true ]; then
	echo "CI runs all tests: install them" >&2
	exit 1
fi
