#!/bin/sh
# Holds a million connections in one castgate process. Where the open-file
# limit of this host allows it, right here; else in a guest with limits of its
# own: take only counts and bytes from there.
#
#   CONNECTIONS  default 1000000
#   GUEST        uml: user-mode Linux (needs root; about an hour), or
#                bigbox: an emulated processor (some hours), which is
#                BIGBOX, default ../shared/tools/bigbox; default uml
#   RESULTS      directory for the result, default bench/results
#   further arguments go to `bench million`
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
echo "a process may open $limit files here, $n connections need $((n + 5000)): running in a guest ($guest)" >&2
gib=$((2 + n / 62500)) # 16 KiB a connection, both ends of it, and the guest itself
mkdir -p "$results"
case $guest in
uml)
	exec ci/umlbox/umlbox.sh -m "$gib" -o "$results" -- "bin/bench million --connections $n --patience 60m --results \"\$OUT\" $* \
	--note 'In a guest of user-mode Linux on one core: counts and bytes are what they would be elsewhere, times are not.'"
	;;
bigbox)
	if [ ! -x "$bigbox" ]; then
		echo "bench-1m: no $bigbox. Name it in BIGBOX, or raise the limit of open files" >&2
		echo "(ulimit -Hn as root, LimitNOFILE=, fs.nr_open), or set CONNECTIONS to fewer." >&2
		exit 1
	fi
	exec "$bigbox" -m "$gib" -t 14400 -f bin/castgate -f bin/bench -o "$results" -- "bench million --connections $n --patience 60m --results /out $* \
	--note 'In a guest whose processor was emulated by qemu: counts and bytes are what they would be elsewhere, times are not.'"
	;;
*)
	echo "bench-1m: GUEST=$guest is neither uml nor bigbox" >&2
	exit 2
	;;
esac
