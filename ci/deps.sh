#!/bin/sh
# Installs what the end-to-end tests need and Go modules do not bring: PHP and
# a browser. Without root, or without apt, the tests concerned are skipped;
# where CI=true that is a failure, since there the whole suite has to run.
set -eu

missing=
command -v php >/dev/null || missing="$missing php-cli"
{ command -v php >/dev/null && php -m | grep -qix curl; } || missing="$missing php-curl"
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="$missing chromium"
[ -n "$missing" ] || exit 0

why=
if [ "$(id -u)" != 0 ]; then
	why="not root"
elif ! command -v apt-get >/dev/null; then
	why="no apt-get"
else
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp)
	echo "installing$missing"
	# shellcheck disable=SC2086 # a list of packages
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1 && exit 0
	tail -n 20 "$log" >&2
	why="apt-get failed"
fi

echo "missing:$missing ($why); the tests that need them are skipped" >&2
if [ "${CI:-}" = true ]; then
	echo "CI runs all tests: install them" >&2
	exit 1
fi
