# shellcheck shell=sh
# Sourced by the scripts that start examples: a folder for their files, $work, and the end of
# what they have started. They list its process ids in $pids, in the order in which they end.

work=$(mktemp -d)
pids=

stop() {
	trap - EXIT INT TERM
	for pid in $pids; do
		kill "$pid" 2>/dev/null || true
	done
	wait
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 0' INT TERM
