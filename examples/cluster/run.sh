#!/bin/sh
# Starts three castgates that are one cluster, with NATS embedded in each, and three
# backends with the example's page. The page of backend 1 connects to node 2, that of
# backend 2 to node 3, that of backend 3 to node 1, and each backend calls the control
# API of its own node only. Ctrl-C stops all.
#
#   CLUSTER_PAGES      ports of the pages, default "8081 8082 8083"
#   CLUSTER_LISTEN     ports of the WebSocket listeners, default "7272 7282 7292"
#   CLUSTER_CONTROL    ports of the control APIs, default "7273 7283 7293"
#   CLUSTER_PEERS      ports between the nodes, default "6222 6223 6224"
set -eu
cd "$(dirname "$0")/../.."

pages=${CLUSTER_PAGES:-8081 8082 8083}
listen=${CLUSTER_LISTEN:-7272 7282 7292}
control=${CLUSTER_CONTROL:-7273 7283 7293}
peers=${CLUSTER_PEERS:-6222 6223 6224}

# nth prints the word with this number of a list.
nth() {
	n=$1
	# shellcheck disable=SC2086 # a list
	set -- $2
	shift $((n - 1))
	echo "$1"
}

# shellcheck source=examples/stop.sh
. examples/stop.sh

echo "building ..."
go build -o "$work/castgate" ./cmd/castgate
go build -o "$work/backend" ./examples/go

# The nodes share a secret and know where the others are; that is all.
umask 077
od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$work/secret"
all=
for port in $peers; do
	all="$all${all:+,}127.0.0.1:$port"
done
for node in 1 2 3; do
	setsid "$work/castgate" serve --node "$node" --cluster-secret "@$work/secret" \
		--cluster-listen "127.0.0.1:$(nth "$node" "$peers")" --cluster-peers "$all" \
		--listen "127.0.0.1:$(nth "$node" "$listen")" --control "127.0.0.1:$(nth "$node" "$control")" &
	pids="$pids $!"
done
for node in 1 2 3; do
	other=$((node % 3 + 1))
	LISTEN="127.0.0.1:$(nth "$node" "$pages")" CASTGATE_CONTROL="127.0.0.1:$(nth "$node" "$control")" \
		WS_URL="ws://127.0.0.1:$(nth "$other" "$listen")/" "$work/backend" &
	pids="$pids $!"
done
for node in 1 2 3; do
	echo "open http://127.0.0.1:$(nth "$node" "$pages")/ (its backend calls node $node, it connects to node $((node % 3 + 1)))"
done
echo "$work/castgate nodes --control 127.0.0.1:$(nth 1 "$control") shows the nodes; Ctrl-C stops all"

# It ends when any of them ends.
while :; do
	for pid in $pids; do
		kill -0 "$pid" 2>/dev/null || { echo "a node or a backend has ended" >&2; exit 1; }
	done
	sleep 1
done
