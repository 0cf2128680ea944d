#!/bin/sh
# Runs the Go benchmarks at a commit and in this tree, and prints what changed.
#
#   PKGS   packages, default ./...
#   BENCH  pattern of benchmarks, default .
#   COUNT  runs of each, default 6: fewer tell benchstat too little
#   BENCHSTAT  the tool as module@version
set -eu
cd "$(dirname "$0")/.."
ref=${1:-HEAD~1}

work=$(mktemp -d)
trap 'git worktree remove --force "$work/before" 2>/dev/null; rm -rf "$work"' EXIT
git worktree add -q --detach "$work/before" "$ref"

measure() {
	go test -run '^$' -bench "${BENCH:-.}" -benchmem -count "${COUNT:-6}" -timeout 60m ${PKGS:-./...}
}
echo "measuring $ref" >&2
(cd "$work/before" && measure) >"$work/before.txt"
echo "measuring this tree" >&2
measure >"$work/after.txt"
go run "$BENCHSTAT" "$work/before.txt" "$work/after.txt"
