package events

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"castgate/server/gateway"
)

// The end of a queue in memory says at once who is offline: no next start could. With a
// directory the next start says it, so that a restart is no news.
func TestStopSaysUIDsOffline(t *testing.T) {
	for _, disk := range []bool{false, true} {
		b := newBackend(t)
		c := config(b.url)
		c.Types, c.OfflineAfter = 1<<UIDOnline|1<<UIDOffline, time.Hour
		if disk {
			c.Dir = filepath.Join(t.TempDir(), "events")
		}
		e := start(t, c)
		const clients = 50
		for n := range clients {
			w := client(n + 1)
			w.UID = fmt.Sprintf("u%d", n)
			e.Connected(w, nil)
			e.Disconnected(w, &gateway.End{})
		}
		b.await(clients)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := e.Close(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		offline := 0
		for _, ev := range b.await(clients) {
			if ev.Type == UIDOffline.String() {
				offline++
			}
		}
		if want := map[bool]int{false: clients, true: 0}[disk]; offline != want {
			t.Errorf("on disk %t: %d uids are offline after the stop, want %d", disk, offline, want)
		}
	}
}

// What is lost with a queue in memory is counted.
func TestStopCountsWhatIsLost(t *testing.T) {
	b, said := newBackend(t), &lines{}
	b.answers(away)
	c := config(b.url)
	c.Log = slog.New(slog.NewTextHandler(said, nil))
	e := start(t, c)
	const clients = 30
	for n := range clients {
		life(e, n+1)
	}
	until(t, "all are written", func() bool { return e.store.Next() > 4*clients })
	end(t, e)
	if text := said.String(); !strings.Contains(text, fmt.Sprintf("events=%d subscribers=1", 4*clients)) {
		t.Errorf("the log says %q", text)
	}
}

// A start on a full disk is said at once, though nothing is to be written, and it is over
// as soon as there is room.
func TestStartOnAFullDisk(t *testing.T) {
	d, said := &disk{}, &lines{}
	c := config("http://127.0.0.1:1/events")
	c.Dir, c.openDirectory, c.Log = filepath.Join(t.TempDir(), "events"), d.open, slog.New(slog.NewTextHandler(said, nil))
	d.fill(true)
	e := start(t, c)
	if text := said.String(); !e.Backlog().Stuck || strings.Count(text, "events cannot be written") != 1 || !strings.Contains(text, "no space left") {
		t.Errorf("stuck %t, the log says %q", e.Backlog().Stuck, text)
	}
	d.fill(false)
	until(t, "that is over", func() bool { return !e.Backlog().Stuck && strings.Contains(said.String(), "written again") })
	if text := said.String(); strings.Count(text, "events cannot be written") != 1 || strings.Count(text, "events are written again") != 1 {
		t.Errorf("the log says %q", text)
	}
}

// A stop on a full disk says what it could not write, and no event where there was none.
func TestStopOnAFullDisk(t *testing.T) {
	for clients := range 2 {
		d, said := &disk{}, &lines{}
		c := config("http://127.0.0.1:1/events")
		c.Dir, c.openDirectory, c.Log = filepath.Join(t.TempDir(), "events"), d.open, slog.New(slog.NewTextHandler(said, nil))
		d.fill(true)
		e := start(t, c)
		for n := range clients {
			life(e, n+1)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := e.Close(ctx); err == nil {
			t.Error("the stop has no error")
		}
		cancel()
		text := said.String()
		if strings.Count(text, "the position in the event queue could not be written") != 1 {
			t.Errorf("%d clients: the log says %q", clients, text)
		}
		if clients == 0 && strings.Contains(text, "are lost") {
			t.Errorf("the log says of no events %q", text)
		}
	}
}
