#!/bin/sh
# Looks for known vulnerabilities in what the programs call of Go and of the
# modules they use. Skips, and says so, where the database cannot be had;
# GOVULNDB names another one (an URL, or file:///directory).
# Exit: 0 none found or skipped, 3 some found, else the tool's own failure.
set -eu
cd "$(dirname "$0")/.."
db=${GOVULNDB:-https://vuln.go.dev}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

for dir in . bench/rivals; do
	status=0
	(cd "$dir" && ${GO:-go} run "$GOVULNCHECK" -db "$db" ./...) >"$out" 2>&1 || status=$?
	# go run answers 1 whatever the program did, and says "exit status 3".
	if grep -q '^exit status 3$' "$out"; then
		cat "$out"
		exit 3
	fi
	if [ "$status" != 0 ] && grep -qE 'fetching vulnerabilities|/index/modules\.json' "$out"; then
		echo "vuln: skipped, the database $db cannot be had: $(grep -oE '(dial|lookup|no such host|HTTP GET|connect)[^"]*' "$out" | tail -1)"
		exit 0
	fi
	cat "$out"
	[ "$status" = 0 ] || exit "$status"
done
