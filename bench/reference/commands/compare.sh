#!/bin/bash
# compare.sh [ROUNDS] [SECONDS]: sendToUid with a connection for each command, in turn
# against a floor in C, the minimal gateway in PHP, GatewayWorker's own Gateway (if
# VENDOR names the directory of its checkouts, see gateway.php) and castgate. Needs cc,
# php and Go.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../../..
rounds=${1:-5} seconds=${2:-3}
bin=$(mktemp -d)
real=
cleanup() {
	[ -z "$real" ] || php "$here/gateway.php" stop >/dev/null 2>&1 || true
	kill $(jobs -p) 2>/dev/null || true
	rm -rf "$bin"
}
trap cleanup EXIT
cc -O2 -Wall -o "$bin/load" "$here/load.c" -lpthread
cc -O2 -Wall -o "$bin/floor" "$here/floor.c"
(cd "$root" && CGO_ENABLED=0 go build -o "$bin/castgate" ./cmd/castgate)

if [ -n "${VENDOR:-}" ]; then
	php -d opcache.enable_cli=1 "$here/gateway.php" start -d >/dev/null
	for _ in $(seq 100); do
		real=$(ss -ltnpH 'sport = :7100' | grep -o 'pid=[0-9]*' | head -1 | cut -d= -f2) || true
		[ -z "$real" ] || break
		sleep 0.1
	done
fi

# measure NAME WS-PORT INNER-PORT COMMAND...: a process of its own for each measurement.
measure() {
	name=$1 ws=$2 inner=$3
	shift 3
	"$@" >"$bin/log" 2>&1 &
	pid=$!
	sleep 1
	printf '%-14s' "$name"
	"$bin/load" "$ws" "$inner" $pid "$seconds"
	kill $pid
	wait $pid || true
}
for _ in $(seq "$rounds"); do
	measure 'floor in C' 7301 7302 "$bin/floor" 7301 7302
	measure 'minimal PHP' 7311 7312 php -d opcache.enable_cli=1 "$here/../gateway.php" 127.0.0.1:7311 127.0.0.1:7312 127.0.0.1:7313
	[ -z "$real" ] || { printf 'GatewayWorker '; "$bin/load" 7001 7100 "$real" "$seconds"; }
	measure castgate 7321 7322 "$bin/castgate" serve --listen 127.0.0.1:7321 --control 127.0.0.1:7323 \
		--gatewayworker-register 127.0.0.1:7324 --gatewayworker-inner 127.0.0.1:7322 --gatewayworker-workers never
done
