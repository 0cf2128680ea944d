package control

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// New limits apply from the next request on, also on open connections.
func TestSetLimits(t *testing.T) {
	p, _ := startStuck(t, "none")
	limits := p.config.Limits
	set := func() {
		t.Helper()
		if err := p.SetLimits(limits); err != nil {
			t.Fatal(err)
		}
	}
	c, in := p.dial()
	push := func(size, want int) {
		t.Helper()
		_, _ = io.WriteString(c, "POST /v1/push/raw?all=1 HTTP/1.1\r\nHost: c\r\nContent-Length: "+strconv.Itoa(size)+"\r\n\r\n"+strings.Repeat("x", size))
		status, body, h := read(t, in)
		if status != want {
			t.Errorf("%d bytes: %d %s, want %d", size, status, body, want)
		}
		if want == 413 {
			requireProblem(t, "too large", status, body, h.Get("Content-Type"), 413, "body_too_large")
		}
	}
	push(3000, 200)
	limits.MaxBody = 5 << 20
	set()
	push(4<<20, 200) // above the limit of the start
	limits.MaxBody = 2000
	set()
	push(3000, 413)

	began := time.Now()
	limits.RequestTimeout = 200 * time.Millisecond
	set()
	p.refuses(503, "deadline", "GET", "/v1/clients/c-1", "")
	if took := time.Since(began); took < limits.RequestTimeout {
		t.Errorf("a query that takes too long was answered after %v", took)
	}

	limits.MaxConns = 1
	set()
	for range 3 { // each makes room for the next
		p.requireRoom()
		c, in := p.dial()
		_, _ = io.WriteString(c, stats)
		if status, _, _ := read(t, in); status != 200 {
			t.Errorf("status %d", status)
		}
	}
	if p.listener.Counts().MadeRoom == 0 {
		t.Error("more connections than the lower limit are open")
	}
	for want, change := range map[string]func(*Limits){
		"control-max-body: ":  func(n *Limits) { n.MaxBody = 1 },
		"control-max-conns: ": func(n *Limits) { n.MaxConns = 0 },
		"control-timeout: ":   func(n *Limits) { n.RequestTimeout = 0 },
	} {
		wrong := limits
		change(&wrong)
		if err := p.SetLimits(wrong); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	if *p.limits.Load() != limits {
		t.Errorf("wrong limits were taken: %+v", *p.limits.Load())
	}
}
