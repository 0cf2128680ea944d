package gatewayworker

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// logText is a log that may be read while it is written.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logText) records(t *testing.T) (all []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, record)
	}
	return all
}

// Kicks that ended a client and wrong keys are recorded, with who and from where.
// Kicks without effect, sessions and what the gateway does by itself are not.
func TestKicksAreWrittenDown(t *testing.T) {
	var log logText
	r := startRig(t, func(c *Config, _ *server.Config) {
		c.Audit = slog.NewJSONHandler(&log, nil)
	})
	w := r.worker("w:0")
	kicked, aborted := r.client(), r.client()
	w.counted(t, 4)
	peer := r.dial()
	commands := append(frame(wire.SetSession, 1, "private", ""), frame(wire.Kick, 1, "", "private")...)
	commands = append(commands, frame(wire.Destroy, 2, "", "")...)
	commands = append(commands, frame(wire.Kick, 99, "", "")...) // does not exist
	commands = append(commands, frame(wire.GatewayClientConnect, 0, "", `{"secret_key":"private"}`)...)
	if _, err := peer.Write(commands); err != nil {
		t.Fatal(err)
	}
	expectClosed(t, "a wrong key", peer)
	kicked.expect("its last message", "810770726976617465")
	_ = aborted.conn.Close()
	all := log.records(t)
	if len(all) != 3 {
		t.Fatalf("%v", all)
	}
	from := peer.LocalAddr().(*net.TCPAddr).String()
	for i, want := range []struct {
		action, id string
		abort      any
	}{{"kick", r.front.loop.commands.prefix + "00000001", false}, {"kick", r.front.loop.commands.prefix + "00000002", true}} {
		got := all[i]
		if got["action"] != want.action || got["key"] != auditKey || got["from"] != from || got["abort"] != want.abort ||
			got["kicked"] != 1.0 || got["client_ids"].([]any)[0] != want.id {
			t.Errorf("%v, want %+v from %s", got, want, from)
		}
	}
	if got := all[2]; got["action"] != "refused" || got["code"] != "unauthorized" || got["key"] != "-" || got["from"] != from {
		t.Errorf("%v", got)
	}
	if strings.Contains(log.b.String(), "private") {
		t.Error("the audit log contains a message or a key")
	}
}
