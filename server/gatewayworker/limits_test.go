package gatewayworker

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
	"castgate/server/gateway"
)

// uidOf asks for the uid of client 1 as PHP gets it.
func (r *rig) uidOf() string {
	reply := r.ask(frame(wire.SelectClients, 0, `{"fields":["uid"],"where":{"connection_id":[1]}}`, ""))
	_, value, _ := strings.Cut(reply, `s:3:"uid";`)
	return strings.TrimSuffix(value, "}}")
}

// Uids may be as long as whole tokens: up to 1,024 bytes are bound. A longer one
// leaves the client without a uid, not with the previous one, and is logged once.
func TestLongUIDs(t *testing.T) {
	var log logText
	r := startRig(t, func(c *Config, _ *server.Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	c := r.client()
	for _, n := range []int{128, 129, 500, gateway.MaxPeerNameLen} {
		uid := strings.Repeat("u", n)
		r.tell(frame(wire.BindUID, 1, uid, ""))
		if got, want := r.uidOf(), fmt.Sprintf(`s:%d:"%s";`, n, uid); got != want {
			t.Fatalf("%d bytes: the uid is %.60s", n, got)
		}
		r.tell(frame(wire.SendToUID, 0, `["`+uid+`"]`, "m"))
		c.expect("a message to the uid", "81016d")
		r.tell(frame(wire.JoinGroup, 1, uid, ""))
		if got := r.ask(frame(wire.CountOfGroup, 0, uid, "")); got != "i:1;" {
			t.Errorf("%d bytes: a group has %s", n, got)
		}
	}
	for range 3 {
		r.tell(frame(wire.BindUID, 1, strings.Repeat("u", gateway.MaxPeerNameLen+1), ""))
	}
	if got := r.uidOf(); got != "N;" {
		t.Errorf("after a uid that is too long it is %.60s", got)
	}
	if n := r.front.count.ignored[ignoreName].Load(); n != 3 {
		t.Errorf("%d were counted, want 3", n)
	}
	log.expectRefused(t, "BIND_UID", "long_name")
}

// expectRefused looks for the one log line about a refused command.
func (l *logText) expectRefused(t *testing.T, command, reason string) {
	t.Helper()
	refused := func(record map[string]any) bool { return record["msg"] == "refused a command of PHP" }
	// It is counted before it is logged.
	for end := time.Now().Add(patience); !slices.ContainsFunc(l.records(t), refused) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	found := 0
	for _, record := range l.records(t) {
		if refused(record) {
			if found++; record["command"] != command || record["reason"] != reason || record["client_id"] == "" {
				t.Errorf("%v", record)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d lines in the log, want 1", found)
	}
}

// A client may be in thousands of groups, up to a limit. Reaching it is logged.
func TestManyGroups(t *testing.T) {
	var log logText
	r := startRig(t, func(c *Config, _ *server.Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	r.client()
	var commands []byte
	for i := range gateway.MaxGroupsPerClient + 2 {
		commands = append(commands, frame(wire.JoinGroup, 1, fmt.Sprint("group ", i), "")...)
	}
	r.tell(commands)
	r.await("all are done", func() bool { return r.front.count.commands[wire.JoinGroup].Load() == gateway.MaxGroupsPerClient+2 })
	for i, want := range map[int]string{0: "i:1;", 5000: "i:1;", gateway.MaxGroupsPerClient - 1: "i:1;", gateway.MaxGroupsPerClient: "i:0;"} {
		if got := r.ask(frame(wire.CountOfGroup, 0, fmt.Sprint("group ", i), "")); got != want {
			t.Errorf("group %d has %s, want %s", i, got, want)
		}
	}
	if n := r.front.count.ignored[ignoreGroups].Load(); n != 2 {
		t.Errorf("%d were counted, want 2", n)
	}
	log.expectRefused(t, "JOIN_GROUP", "too_many_groups")
}

// A session of megabytes is stored; one above the limit is refused and logged.
func TestLargeSession(t *testing.T) {
	var log logText
	r := startRig(t, func(c *Config, _ *server.Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	r.client()
	value := strings.Repeat("s", 1_500_000)
	session := fmt.Sprintf(`a:1:{s:1:"k";s:%d:"%s";}`, len(value), value)
	r.tell(frame(wire.SetSession, 1, session, ""))
	r.await("it is kept", func() bool { return r.ask(frame(wire.SessionOfClient, 1, "", "")) == session })
	r.tell(frame(wire.UpdateSession, 1, `a:1:{s:1:"l";i:1;}`, ""))
	r.await("it is merged", func() bool {
		return len(r.ask(frame(wire.SessionOfClient, 1, "", ""))) == len(session)+len(`s:1:"l";i:1;`)
	})
	r.tell(frame(wire.SetSession, 1, strings.Repeat("s", gateway.MaxSessionBytes+1), ""))
	r.await("it is refused", func() bool { return r.front.count.ignored[ignoreSession].Load() == 1 })
	log.expectRefused(t, "SET_SESSION", "session")
}
