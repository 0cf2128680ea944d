#!/bin/sh
# Starts castgate and the example backend (PHP if php is installed, otherwise
# Go), prints the page's address and stops both on Ctrl-C.
#
#   DEMO_PORT        port of the page, default 8080
#   DEMO_WS_PORT     port of the WebSocket listener, default 7272
#   DEMO_CONTROL     address of the control port, default 127.0.0.1:7273
#   DEMO_BACKEND     php, go or gatewayworker (PHP with GatewayClient's calls),
#                    default php if installed, otherwise go
#   DEMO_REGISTER, DEMO_INNER   the two ports of gatewayworker, default
#                    127.0.0.1:1236 and 127.0.0.1:2900
set -eu
cd "$(dirname "$0")/.."

port=${DEMO_PORT:-8080}
ws_port=${DEMO_WS_PORT:-7272}
control=${DEMO_CONTROL:-127.0.0.1:7273}
backend=${DEMO_BACKEND:-$(command -v php >/dev/null && echo php || echo go)}

# shellcheck source=examples/stop.sh
. examples/stop.sh

echo "building ..."
go build -o "$work/castgate" ./cmd/castgate
[ "$backend" != go ] || go build -o "$work/backend" ./examples/go

# Ctrl-C signals every process of the terminal. The gateway must get only the
# signal from stop, since a second one would end it without draining.
set -- --listen "127.0.0.1:$ws_port" --control "$control"
if [ "$backend" = gatewayworker ]; then
	export GATEWAY_REGISTER="${DEMO_REGISTER:-127.0.0.1:1236}"
	set -- "$@" --gatewayworker-register "$GATEWAY_REGISTER" --gatewayworker-inner "${DEMO_INNER:-127.0.0.1:2900}" --gatewayworker-workers never
fi
setsid "$work/castgate" serve "$@" &
gateway_pid=$!
pids=$gateway_pid

export CASTGATE_CONTROL="$control" WS_URL="ws://127.0.0.1:$ws_port/"
case $backend in
php | gatewayworker) php -q -S "127.0.0.1:$port" -t "examples/$backend" & ;;
*) LISTEN="127.0.0.1:$port" "$work/backend" & ;;
esac
backend_pid=$!
pids="$backend_pid $gateway_pid"

echo "open http://127.0.0.1:$port/ in two windows; Ctrl-C stops the demo ($backend backend)"

# The demo ends when either process ends.
while kill -0 "$gateway_pid" 2>/dev/null && kill -0 "$backend_pid" 2>/dev/null; do
	sleep 1
done
echo "the gateway or the backend has ended" >&2
exit 1
