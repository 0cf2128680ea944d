package server

import (
	"log/slog"
	"testing"

	"github.com/panjf2000/gnet/v2/pkg/logging"
	"golang.org/x/sys/unix"
)

// What a poller says of its errors is in the server's log.
func TestPollersLog(t *testing.T) {
	var log logBuffer
	c := Defaults()
	c.Listen, c.Logger = []string{"127.0.0.1:0"}, slog.New(slog.NewTextHandler(&log, nil))
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer logPollers(slog.New(slog.DiscardHandler))
	s.loops.Discard()
	for _, n := range s.listeners {
		n.Discard()
	}
	logging.Errorf("epoll: %v", unix.EBADF)
	logging.Fatalf("eventfd: %v", unix.EMFILE)
	if log.count("level=ERROR msg=poller message=") != 2 || log.count("bad file descriptor") != 1 {
		t.Errorf("logged %s", log.b.String())
	}
}
