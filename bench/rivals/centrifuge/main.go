// Command centrifuge is centrifugal/centrifuge as a library: the server
// subscribes every client to one channel when it connects, messages are JSON,
// and the broker is the one in memory, without history and presence.
//
// Options are those that its documentation recommends for many connections with
// little traffic each: pooled write buffers, small read buffers, commands
// handled off the read loop's stack. The queue of a client and the joining of
// up to 16 waiting messages into one frame are its defaults. It can also delay
// messages to join more (WriteDelay), which is documented for a high rate of
// messages to one client and costs latency: that is off, as by default; 5 ms of
// it changed nothing here with 16 broadcasts in flight. The pings of its own
// protocol are off, since they would wake it up while idle connections are
// measured.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/centrifugal/centrifuge"

	"castgate/bench/rivals/control"
)

// everybody is the channel.
const everybody = "all"

const (
	bufferSize = 1 << 10
	// maxQueue is how many bytes may wait for one client before it is
	// disconnected, its default.
	maxQueue = 1 << 20
)

func main() {
	node, err := newNode()
	if err != nil {
		fmt.Fprintln(os.Stderr, "centrifuge:", err)
		os.Exit(1)
	}
	clients := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		CheckOrigin:                func(*http.Request) bool { return true },
		ReadBufferSize:             bufferSize,
		WriteBufferSize:            bufferSize,
		UseWriteBufferPool:         true,
		ProcessCommandsOffReadLoop: true,
		PingPongConfig:             centrifuge.PingPongConfig{PingInterval: -1, PongTimeout: -1},
	})
	control.Main("centrifuge", clients, func(payload []byte) (control.Reply, error) { return broadcast(node, payload) })
}

// newNode returns a running node.
func newNode() (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{ClientQueueMaxSize: maxQueue})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{},
			Subscriptions: map[string]centrifuge.SubscribeOptions{everybody: {}},
		}, nil
	})
	node.OnConnect(func(*centrifuge.Client) {})
	return node, node.Run()
}

// broadcast publishes a payload, which must be a string in JSON.
func broadcast(node *centrifuge.Node, payload []byte) (r control.Reply, err error) {
	data, err := quote(payload)
	if err != nil {
		return r, err
	}
	r.Matched = node.Hub().NumSubscribers(everybody)
	r.Queued = r.Matched
	if _, err := node.Publish(everybody, data); err != nil {
		return control.Reply{}, errors.Join(errors.New("publish"), err)
	}
	return r, nil
}

// quote returns text as a JSON string.
func quote(text []byte) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(string(text))
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}
