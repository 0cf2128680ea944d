#!/bin/sh
# Runs the Go benchmarks of a commit and of this tree in turn, and prints what
# changed. Benchmarks that exist in only one of the two are listed with its
# figures alone.
#
#   PKGS   packages, default ./... (without nested modules)
#   BENCH  pattern of benchmarks, default .
#   COUNT  runs of each, default 6: benchstat needs that many
#   BENCHTIME  of each run, default 1s
#   BENCHSTAT  the tool as module@version
set -eu
cd "$(dirname "$0")/.."
ref=${1:-HEAD~1}
fail() { echo "bench-compare: $*" >&2; exit 2; }
: "${BENCHSTAT:?is not set; run make bench-compare}"
commit=$(git rev-parse --verify --quiet "$ref^{commit}") || fail "REF=$ref is not a commit of this repository"
case ${COUNT:-6} in *[!0-9]* | 0) fail "COUNT=$COUNT is not a number from 1" ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir "$work/tree"
git archive "$commit" | tar -x -C "$work/tree"

# packages lists the packages with benchmarks of the module in this directory.
packages() {
	go list -e -f '{{if not .Error}}{{.Dir}} {{.ImportPath}}{{end}}' ${PKGS:-./...} |
		while read -r dir path; do
			if grep -qs '^func Benchmark' "$dir"/*_test.go; then echo "$path"; fi
		done
}
before=$(cd "$work/tree" && packages)
after=$(packages)
[ -n "$before$after" ] || fail "PKGS=${PKGS:-./...} has no benchmarks, neither at $ref nor in this tree"

failed=
measure() { # side, directory, packages
	[ -n "$3" ] || { : >>"$work/$1.txt"; return; }
	(cd "$2" && go test -run '^$' -vet off -bench "${BENCH:-.}" -benchmem -benchtime "${BENCHTIME:-1s}" -timeout 60m $3) \
		>"$work/run.txt" 2>&1 || { failed="$failed $1"; grep -v '^Benchmark.*ns/op\|^PASS$\|^ok ' "$work/run.txt" >&2; }
	cat "$work/run.txt" >>"$work/$1.txt"
}
# In turn, so that a machine that slows down does so for both.
round=0
while [ $round -lt "${COUNT:-6}" ]; do
	round=$((round + 1))
	echo "round $round of ${COUNT:-6}: $ref" >&2
	measure before "$work/tree" "$before"
	echo "round $round of ${COUNT:-6}: this tree" >&2
	measure after . "$after"
done
go run "$BENCHSTAT" "$ref=$work/before.txt" "this tree=$work/after.txt"
[ -z "$failed" ] || fail "benchmarks failed, see above:$failed"
