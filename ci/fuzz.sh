#!/bin/sh
# Runs every fuzz target of the module, one after the other, each for a given
# time. A failing input is saved in the package's testdata/fuzz, where go test
# runs it, and the other targets still run. Failed targets are listed at the end.
set -eu
cd "$(dirname "$0")/.."
time=${1:-30s}

failed=
for dir in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do
	for target in $(grep -hoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //'); do
		echo "== $dir $target"
		go test -run "^\$" -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 200x "$dir" || failed="$failed
   $dir $target"
	done
done
if [ -n "$failed" ]; then
	echo "== failed:$failed"
	exit 1
fi
