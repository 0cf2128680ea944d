package gatewayworker

import (
	"context"
	"testing"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// cutOff is a server whose walk over the clients ends after the first one.
type cutOff struct {
	Gateway
	client string
}

func (c cutOff) Each(_ context.Context, _ gateway.Each, do func(gateway.ClientState) bool) error {
	do(gateway.ClientState{ClientID: c.client, UID: "ann", Session: "a:0:{}"})
	return &gateway.Error{Code: gateway.CodeStopping, Detail: "on its way out"}
}

// A part of the clients is never answered as if it was all of them.
func TestAnswerOfACutWalkIsEmpty(t *testing.T) {
	c := Defaults()
	c.Inner = "127.0.0.1:0"
	f, err := newFront(c, &linux)
	if err != nil {
		t.Fatal(err)
	}
	defer f.release()
	l := f.loop
	l.commands.serves(cutOff{client: l.commands.clientID(7)})
	for _, q := range []wire.Header{
		{Command: wire.AllSessions}, {Command: wire.SessionsOfGroup}, {Command: wire.SelectClients},
	} {
		f := wire.Frame{Header: q, Ext: []byte("g")}
		for _, ext := range []string{`{"fields":["uid"],"where":[]}`, `{"fields":["uid"],"where":{"groups":["g"]}}`} {
			if q.Command == wire.SelectClients {
				f.Ext = []byte(ext)
			}
			if got := string(l.commands.reply(nil, &f)); got != "a:0:{}" {
				t.Errorf("%v: %q", q.Command, got)
			}
		}
	}
}
