package server

import (
	"math/rand/v2"
	"strings"
	"testing"

	"castgate/server/frames"
)

func TestSlotsNeverRepeatAGeneration(t *testing.T) {
	var s slots
	type owner struct {
		slot uint32
		c    *conn
	}
	used := map[[2]uint32]bool{}
	var held []owner
	random := rand.New(rand.NewPCG(1, 2))
	take := func() {
		slot, c, ok := s.acquire()
		if !ok {
			t.Fatal("no slot")
		}
		key := [2]uint32{slot, c.gen}
		if used[key] || c.gen == 0 {
			t.Fatalf("slot %d generation %d given twice", slot, c.gen)
		}
		used[key] = true
		c.state = connOpen
		held = append(held, owner{slot, c})
	}
	for range 20 {
		for range random.IntN(3000) {
			take()
		}
		random.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		keep := random.IntN(len(held) + 1)
		for _, o := range held[keep:] {
			s.release(o.slot, o.c)
		}
		held = held[:keep]
	}
	for _, o := range held {
		s.release(o.slot, o.c)
	}
	chunks := 0
	for slot := uint32(0); slot < s.extent(); slot += chunkLen {
		if s.chunkAt(slot) != nil {
			chunks++
		}
	}
	if chunks != 1 || s.empty != 1 {
		t.Errorf("%d chunks kept for no connection (empty %d)", chunks, s.empty)
	}
}

func TestSlotOfLastGenerationIsRetired(t *testing.T) {
	var s slots
	slot, c, _ := s.acquire()
	c.gen, c.state = lastGen, connOpen
	s.release(slot, c)
	for range chunkLen {
		if again, _, _ := s.acquire(); again == slot {
			t.Fatal("a retired slot was given again")
		}
	}
}

func TestNodePool(t *testing.T) {
	var p nodePool
	var held []uint32
	for i := range 3 * nodeChunkLen {
		held = append(held, p.get(&frames.Frame{}))
		if i%3 == 0 {
			p.put(held[len(held)-1])
			held = held[:len(held)-1]
		}
	}
	seen := map[uint32]bool{}
	for _, n := range held {
		if n == 0 || seen[n] {
			t.Fatalf("node %d given twice", n)
		}
		seen[n] = true
	}
	for _, n := range held {
		p.put(n)
	}
	if p.used != 0 || len(p.chunks) > 1 {
		t.Errorf("%d used, %d chunks kept", p.used, len(p.chunks))
	}
}

func TestReasonTablesAreComplete(t *testing.T) {
	labels := map[string]bool{}
	for i, row := range closeTable {
		if row.label == "" || labels[row.label] {
			t.Errorf("close reason %d: label %q", i, row.label)
		}
		labels[row.label] = true
	}
	for i, label := range dropLabels {
		if label == "" {
			t.Errorf("drop reason %d has no label", i)
		}
	}
	for i := range handshakeGone + 1 {
		if label := handshakeLabel(i); label == "" {
			t.Errorf("handshake result %d has no label", i)
		}
	}
}

func TestLeast(t *testing.T) {
	l := newLeast[string](3)
	for _, v := range strings.Fields("q d x a d b z a c b a f") {
		l.offer(v)
	}
	if got := strings.Join(l.sorted(), " "); got != "a b c" {
		t.Errorf("least: %s", got)
	}
}

func TestConfigValidate(t *testing.T) {
	if c := Defaults(); c.Validate() != nil {
		t.Fatal(c.Validate())
	}
	for name, change := range map[string]func(*Config){
		"listen":            func(c *Config) { c.Listen = []string{"nonsense"} },
		"loops":             func(c *Config) { c.Loops = 0 },
		"max-conns":         func(c *Config) { c.MaxConns = -1 },
		"max-message":       func(c *Config) { c.MaxMessage = 0 },
		"send-queue":        func(c *Config) { c.SendQueue = -5 },
		"push-queue":        func(c *Config) { c.PushQueue = 0 },
		"reserve-files":     func(c *Config) { c.ReserveFiles = -1 },
		"ping-interval":     func(c *Config) { c.PingInterval = 1 },
		"ping-timeout":      func(c *Config) { c.PingTimeout = 0 },
		"handshake-timeout": func(c *Config) { c.HandshakeTimeout = -1 },
		"unbound-timeout":   func(c *Config) { c.UnboundTimeout = -1 },
		"drain-timeout":     func(c *Config) { c.DrainTimeout = 1 << 60 },
		"on-message":        func(c *Config) { c.OnMessage = "shout" },
		"slow-policy":       func(c *Config) { c.SlowPolicy = "wait" },
		"allowed-origins":   func(c *Config) { c.AllowedOrigins = []string{"*"} },
		"byte-burst":        func(c *Config) { c.ByteRate, c.ByteBurst = 10, c.MaxMessage+readLen-1 },
	} {
		c := Defaults()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name+":") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
