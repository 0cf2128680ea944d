#!/bin/sh
# Builds the admin page into server/admin/built, which the program embeds. What it needs
# from npm is pinned by server/admin/page/package-lock.json. Without npm the program has
# no page and says so; with CI=true that is a failure.
set -eu
cd "$(dirname "$0")/../server/admin/page"

if ! { command -v node && command -v npm; } >/dev/null; then
	echo "no node and npm: the program is built without the admin page" >&2
	[ "${CI:-}" != true ] || exit 1
	exit 0
fi
# The build runs no scripts of the packages.
if ! cmp -s package-lock.json node_modules/.castgate-lock; then
	npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error
	cp package-lock.json node_modules/.castgate-lock
fi
node build.js
