package gatewayworker

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// At a stop every command that PHP has sent before is executed, then clients are
// closed, and workers get their close events.
func TestStop(t *testing.T) {
	c, sc := Defaults(), server.Defaults()
	c.Inner, c.Register, c.WorkerWait = "127.0.0.1:0", "127.0.0.1:0", 0
	sc.Listen, sc.InitMessage, sc.MaxConns, sc.ReserveFiles = []string{"127.0.0.1:0"}, "", 1000, 64
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	sc.PeerAddress, sc.Events = f.Address(), f.Events()
	next := uint32(0)
	sc.Loops, sc.ConnectionIDs = 1, func() uint32 { next++; return next }
	s, err := server.New(sc)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 2)
	go func() { served <- s.Run() }()
	go func() { served <- f.Serve(s, s) }()
	r := &rig{t: t, front: f, server: s}
	r.await("it serves", func() bool { return s.Ready() && f.serving.Load() })
	w := r.worker("w:0")
	client := r.client()
	w.counted(t, 2)
	var want strings.Builder
	for i := range 100 {
		r.tell(frame(wire.SendToOne, 1, "", fmt.Sprintf("%03d", i)))
		fmt.Fprintf(&want, "8103%x", fmt.Sprintf("%03d", i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, stop := range []func(context.Context) error{f.Drain, s.Shutdown, f.Shutdown} {
		if err := stop(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
	client.expect("what was sent before", want.String()+fmt.Sprintf("880f03e9%x", "shutting down"))
	if e := w.next(t); e.Command != wire.OnClose || e.ConnectionID != 1 {
		t.Errorf("%+v", e)
	}
	for _, address := range []string{f.Inner().String(), f.Register().String()} {
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			t.Errorf("%s still answers", address)
			_ = conn.Close()
		}
	}
	if err := f.Shutdown(ctx); err != nil {
		t.Error("a second Shutdown:", err)
	}
}

// A Front that never served releases its addresses.
func TestShutdownBeforeServe(t *testing.T) {
	c := Defaults()
	c.Inner, c.Register = "127.0.0.1:0", "127.0.0.1:0"
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	taken := Defaults()
	taken.Inner = f.Inner().String()
	if _, err := New(taken); err == nil || !strings.Contains(err.Error(), taken.Inner) {
		t.Errorf("a taken address: %v", err)
	}
	if err := f.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	again, err := New(taken)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// Every counter has a metric with well-formed names and labels.
func TestMetrics(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.Register = "127.0.0.1:0" })
	r.answers("")
	r.await("the write is counted", func() bool { return r.front.count.waiting.Load() == 0 && r.front.count.bytesOut.Load() == 8 })
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r.front)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	const prefix = "castgate_gatewayworker_"
	for name, want := range map[string]float64{
		"accepted_total": 1, "commands_total IS_ONLINE": 1, "workers": 0, "register_gateways": 0, "waiting_bytes": 0,
		"received_bytes_total": 28, "sent_bytes_total": 8,
	} {
		if n, ok := got[prefix+name]; !ok || n != want {
			t.Errorf("%s is %v, %v; want %v", name, n, ok, want)
		}
	}
	for family, names := range map[string][]string{"ignored_total": ignoreNames[:], "closes_total": closeNames[:], "events_dropped_total": dropNames[:]} {
		for _, name := range names {
			if _, ok := got[prefix+family+" "+name]; !ok || name == "" {
				t.Errorf("no %s %q", family, name)
			}
		}
	}
}
