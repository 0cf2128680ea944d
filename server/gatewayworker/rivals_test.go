package gatewayworker

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/server"
)

// Workers that take each other's place again and again are told of once a minute; one that
// comes back before its former connection has ended is not.
func TestRivals(t *testing.T) {
	var r rivalry
	at := time.Unix(1000, 0)
	warned := 0
	for second := range 181 {
		if r.replaced(at.Add(time.Duration(second) * time.Second)) {
			warned++
		}
	}
	if warned != 3 || r.times != 181 {
		t.Errorf("%d warnings in three minutes, %d times", warned, r.times)
	}
	at = at.Add(time.Hour)
	for range 20 {
		if at = at.Add(rivalPause + 1); r.replaced(at) {
			t.Error("a worker that comes back once in a while is told of")
		}
	}

	var log bytes.Buffer
	var mu sync.Mutex
	rig := startRig(t, func(c *Config, _ *server.Config) {
		c.Log = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return log.Write(p)
		}), nil))
	})
	for range rivalsAfter + 2 {
		rig.worker("same:0")
	}
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(log.String(), "level=WARN msg=\"workers with the same name"); n != 1 {
		t.Errorf("%d warnings: %s", n, &log)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
