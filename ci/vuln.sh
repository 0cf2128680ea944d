#!/bin/sh
# Looks for known vulnerabilities in the parts of Go and of the modules that the
# programs call. If the database is unreachable it says so and skips. GOVULNDB
# sets another database (a URL, or file:///directory).
# Exit: 0 none found or skipped, 3 some found, otherwise the tool failed.
set -eu
cd "$(dirname "$0")/.."
db=${GOVULNDB:-https://vuln.go.dev}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

for dir in . bench/rivals; do
	status=0
	(cd "$dir" && ${GO:-go} run "$GOVULNCHECK" -db "$db" ./...) >"$out" 2>&1 || status=$?
	# go run always exits with 1, but prints the program's "exit status 3".
	if grep -q '^exit status 3$' "$out"; then
		cat "$out"
		exit 3
	fi
	if [ "$status" != 0 ] && grep -qE 'fetching vulnerabilities|/index/modules\.json' "$out"; then
		echo "vuln: skipped, the database $db is unreachable: $(grep -oE '(dial|lookup|no such host|HTTP GET|connect)[^"]*' "$out" | tail -1)"
		exit 0
	fi
	cat "$out"
	[ "$status" = 0 ] || exit "$status"
done
