#!/bin/sh
# Runs every fuzz target of the module, one after the other, for a time each.
# A crasher is left in the package's testdata/fuzz, where go test runs it.
set -eu
cd "$(dirname "$0")/.."
time=${1:-30s}

for dir in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do
	for target in $(grep -hoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //'); do
		echo "== $dir $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir"
	done
done
