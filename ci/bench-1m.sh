#!/bin/sh
# Holds a million connections in one castgate process: on this host if its limit
# of open files allows it, otherwise in a guest with limits of its own. Only
# counts and bytes measured in a guest are meaningful.
#
#   CONNECTIONS  default 1000000
#   GUEST        uml: user-mode Linux (needs root; about two hours; the default)
#                bigbox: an emulated processor (several hours)
#   BIGBOX       the program for bigbox, default ../shared/tools/bigbox
#   RESULTS      directory for the result, default bench/results
#   other arguments are passed to `bench million`
set -eu
cd "$(dirname "$0")/.."
n=${CONNECTIONS:-1000000}
results=${RESULTS:-bench/results}
guest=${GUEST:-uml}
bigbox=${BIGBOX:-../shared/tools/bigbox}

limit=$(ulimit -Hn)
if [ "$limit" = unlimited ] || [ "$limit" -ge $((n + 5000)) ]; then
	exec bin/bench million --connections "$n" --results "$results" "$@"
fi
echo "the limit of open files is $limit here, $n connections need $((n + 5000)): running in a guest ($guest)" >&2
gib=$((2 + n / 62500)) # 16 KiB for both ends of a connection, plus the guest itself
mkdir -p "$results"
case $guest in
uml)
	exec ci/umlbox/umlbox.sh -m "$gib" -o "$results" -- "bin/bench million --connections $n --patience 60m --results \"\$OUT\" $* \
	--note 'In a guest of user-mode Linux on one core: counts and bytes are the same as elsewhere, times are not.'"
	;;
bigbox)
	if [ ! -x "$bigbox" ]; then
		echo "bench-1m: $bigbox not found. Set BIGBOX, raise the limit of open files" >&2
		echo "(ulimit -Hn as root, LimitNOFILE=, fs.nr_open), or lower CONNECTIONS." >&2
		exit 1
	fi
	exec "$bigbox" -m "$gib" -t 14400 -f bin/castgate -f bin/bench -o "$results" -- "bench million --connections $n --patience 60m --results /out $* \
	--note 'In a guest whose processor was emulated by qemu: counts and bytes are the same as elsewhere, times are not.'"
	;;
*)
	echo "bench-1m: GUEST=$guest is neither uml nor bigbox" >&2
	exit 2
	;;
esac
