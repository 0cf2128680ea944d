#!/bin/sh
# Runs without the race detector the tests that check less under it: those in
# files tagged !race, and those that use raceEnabled. Each of them must run and
# pass; a skipped test is a failure.
# "counting.sh list" prints them, a directory and a name on each line.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Nested modules have no such tests. houserules_test.go compares this list with
# what the Go parser finds.
find . -path ./bench/rivals -prune -o -name testdata -prune -o -name '*_test.go' -print | sort | xargs awk '
	FNR == 1 { tagged = 0; name = "" }
	/^\/\/go:build .*!race/ { tagged = 1 }
	/^}/ { name = "" }
	/^func Test[A-Z0-9_][A-Za-z0-9_]*\(t \*testing\.T\)/ { name = substr($2, 1, index($2, "(") - 1) }
	name != "" && name != "TestMain" && (tagged || /[rR]aceEnabled/) {
		dir = FILENAME
		sub(/\/[^\/]*$/, "", dir)
		print dir, name
	}' | sort -u >"$work/wanted"
[ -s "$work/wanted" ] || { echo "counting: no test counts anything" >&2; exit 1; }
if [ "${1:-}" = list ]; then
	cat "$work/wanted"
	exit 0
fi

names=$(cut -d' ' -f2 "$work/wanted" | sort -u | paste -sd'|')
# Most of them wait until a process is idle, hence -p 4 on any machine.
status=0
# shellcheck disable=SC2046 # a list of packages
${GO:-go} test -v -vet=off -p 4 -timeout 15m -run "^($names)\$" $(cut -d' ' -f1 "$work/wanted" | sort -u) >"$work/out" 2>&1 || status=$?
if [ "$status" != 0 ]; then
	cat "$work/out"
	exit "$status"
fi
grep '^ok' "$work/out"
module=$(${GO:-go} list -m)
awk -v module="$module" '
	/^--- PASS: / { passed[$3] = 1 }
	/^ok/ { sub("^" module "/?", "", $2); for (name in passed) print "./" $2, name; split("", passed) }' "$work/out" | sort >"$work/passed"
missing=$(comm -23 "$work/wanted" "$work/passed")
if [ -n "$missing" ]; then
	echo "counting: these tests did not run:" >&2
	echo "$missing" >&2
	exit 1
fi
