package gatewayworker

import (
	"encoding/hex"
	"testing"

	wire "castgate/codec/gatewayworker"
)

// recorded returns the vectors of a group by name.
func recorded(t *testing.T, group string) map[string]string {
	t.Helper()
	var all []vector
	readJSON(t, "../../codec/gatewayworker/testdata/vectors.json", &all)
	byName := make(map[string]string)
	for _, v := range all {
		if v.Group == group {
			byName[v.Name] = v.Hex
		}
	}
	return byName
}

// Browsers get from castgate what they were recorded to get from PHP, except for
// the header lines of the 101 (docs/gatewayworker.md).
func TestClientVectors(t *testing.T) {
	r := startRig(t, nil)
	v := recorded(t, "websocket")
	a, b := r.client(), r.client()
	r.tell(frame(wire.SendToOne, 1, "", "hi"))
	a.expect("ws.send_text", v["ws.send_text"])
	long, err := hex.DecodeString(v["ws.send_126"][8:])
	if err != nil {
		t.Fatal(err)
	}
	r.tell(frame(wire.SendToOne, 1, "", string(long)))
	a.expect("ws.send_126", v["ws.send_126"])
	for name, sent := range map[string][]byte{
		"ws.pong":  {0x89, 0x82, 0, 0, 0, 0, 'p', '!'},
		"ws.close": {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8},
	} {
		c := a
		if name == "ws.close" {
			c = b
		}
		if _, err := c.conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		c.expect(name, v[name])
	}
	b.expectEnd("ws.close")
}

// Frames recorded from a BusinessWorker have the same effect.
func TestWorkerFrames(t *testing.T) {
	r := startRig(t, nil)
	v := recorded(t, "worker")
	var ninth *pushed
	for range 9 { // the recorded frames are about client 9
		ninth = r.client()
	}
	w := r.dial()
	for _, name := range []string{"worker_connect.real", "worker.bind_uid", "worker.set_session", "worker.send_to_one"} {
		b, err := hex.DecodeString(v[name])
		if err != nil || len(b) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	ninth.expect("worker.send_to_one", "81076f6b3a62696e64")
	if got := r.ask(frame(wire.ClientsOfUID, 0, "77", "")); got != "a:1:{i:0;i:9;}" {
		t.Errorf("worker.bind_uid: the uid has %s", got)
	}
	if got := r.ask(frame(wire.SessionOfClient, 9, "", "")); got != `a:1:{s:1:"k";a:1:{i:0;i:1;}}` {
		t.Errorf("worker.set_session: %s", got)
	}
	if n := r.front.count.attaches.Load(); n != 1 {
		t.Errorf("worker_connect.real: %d workers attached", n)
	}
}
