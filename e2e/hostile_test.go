package e2e

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// hostileFrames violate RFC 6455, each with the close code that it must get.
func hostileFrames() map[string]struct {
	bytes []byte
	code  int
} {
	type row = struct {
		bytes []byte
		code  int
	}
	frame := wstest.AppendMasked
	closing := func(code uint16, reason string) []byte {
		return frame(nil, 0x88, append(binary.BigEndian.AppendUint16(nil, code), reason...))
	}
	length64 := func(n uint64) []byte {
		return append(binary.BigEndian.AppendUint64([]byte{0x82, 0xFF}, n), 1, 2, 3, 4)
	}
	return map[string]row{
		"unmasked":                       {[]byte("\x81\x02hi"), 1002},
		"RSV1":                           {frame(nil, 0xC1, []byte("hi")), 1002},
		"RSV2":                           {frame(nil, 0xA1, []byte("hi")), 1002},
		"RSV3 on a ping":                 {frame(nil, 0x99, []byte("hi")), 1002},
		"opcode 3":                       {frame(nil, 0x83, nil), 1002},
		"opcode 11":                      {frame(nil, 0x8B, nil), 1002},
		"ping of 126 bytes":              {frame(nil, 0x89, make([]byte, 126)), 1002},
		"fragmented ping":                {frame(nil, 0x09, []byte("hi")), 1002},
		"continuation of nothing":        {frame(nil, 0x80, []byte("hi")), 1002},
		"text inside a fragment":         {frame(frame(nil, 0x01, []byte("a")), 0x81, []byte("b")), 1002},
		"length not minimal, 16 bits":    {append([]byte{0x82, 0xFE, 0, 5, 0, 0, 0, 0}, "hello"...), 1002},
		"length not minimal, 64 bits":    {append(append(binary.BigEndian.AppendUint64([]byte{0x82, 0xFF}, 200), 0, 0, 0, 0), make([]byte, 200)...), 1002},
		"length with the top bit":        {length64(1<<63 | 5), 1002},
		"length of an exbibyte":          {length64(1 << 60), 1009},
		"length of 4 GiB and 1":          {length64(1<<32 + 1), 1009},
		"length of int64's end":          {length64(1<<63 - 1), 1009},
		"text that is not UTF-8":         {frame(nil, 0x81, []byte("\xc3\x28")), 1007},
		"text that ends in mid-rune":     {frame(nil, 0x81, []byte("ok \xe2\x82")), 1007},
		"not UTF-8 across fragments":     {frame(frame(nil, 0x01, []byte("\xe2\x82")), 0x80, []byte("x")), 1007},
		"a surrogate":                    {frame(nil, 0x81, []byte("\xed\xa0\x80")), 1007},
		"close of one byte":              {frame(nil, 0x88, []byte{3}), 1002},
		"close code 999":                 {closing(999, ""), 1002},
		"close code 1005":                {closing(1005, ""), 1002},
		"close code 1006":                {closing(1006, ""), 1002},
		"close code 2999":                {closing(2999, ""), 1002},
		"close reason that is not UTF-8": {closing(1000, "\xff"), 1007},
		"close inside a fragment":        {append(frame(nil, 0x01, []byte("half")), closing(1000, "")...), 1000},
		"close without a code":           {frame(nil, 0x88, nil), 1005},
		"fragments above the limit":      {fragments(40, 2000), 1009},
	}
}

// fragments is one message of n frames of size bytes each.
func fragments(n, size int) []byte {
	out := wstest.AppendMasked(nil, wstest.OpBinary, make([]byte, size))
	for i := 1; i < n; i++ {
		out = wstest.AppendMasked(out, wstest.OpContinuation, make([]byte, size))
	}
	return out
}

func TestHostileFrames(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	bystander := g.Dial(t)
	for name, hostile := range hostileFrames() {
		t.Run(name, func(t *testing.T) {
			r := g.DialRaw(t)
			r.Upgrade()
			r.Put(hostile.bytes)
			if code := r.ExpectClosed(); code != hostile.code {
				t.Errorf("closed with %d, want %d", code, hostile.code)
			}
			// The same again in single bytes: the way it is split must not change
			// the outcome.
			r = g.DialRaw(t)
			r.SetNoDelay(true)
			r.Upgrade()
			for _, b := range hostile.bytes[:min(len(hostile.bytes), 300)] {
				if _, err := r.Write([]byte{b}); err != nil {
					break
				}
			}
			if _, err := r.Write(hostile.bytes[min(len(hostile.bytes), 300):]); err != nil {
				t.Logf("the rest: %v", err)
			}
			if code := r.ExpectClosed(); code != hostile.code && code != 0 {
				t.Errorf("in single bytes: closed with %d, want %d", code, hostile.code)
			}
		})
	}
	g.AwaitMetric("castgate_connections", 1)
	g.Push(wstest.All(), "still here")
	bystander.Expect("still here")
}

// TestGarbage sends random bytes, and truncated frames, from many clients at once.
func TestGarbage(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	bystander := g.Dial(t)
	whole := wstest.MaskedFrame(wstest.OpText, []byte(strings.Repeat("a frame cut off ", 20)))
	wstest.Parallel(200, 16, func(i int) {
		r, err := g.TryDialRaw(t)
		if err != nil {
			t.Errorf("client %d: %v", i, err)
			return
		}
		defer r.Close()
		random := rand.New(rand.NewPCG(uint64(i), 7))
		r.Write([]byte(wstest.Handshake))
		if i%2 == 0 {
			r.Write(whole[:1+random.IntN(len(whole)-1)])
			r.CloseWrite()
		} else {
			junk := make([]byte, 1+random.IntN(5000))
			for k := range junk {
				junk[k] = byte(random.Uint32())
			}
			r.Write(junk)
		}
	})
	g.AwaitMetric("castgate_connections", 1)
	bystander.ExpectNothing()
}

// TestPingFlood: pings are answered in order while they are read. A client that
// floods without reading costs no more than its send queue.
func TestPingFlood(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	bystander := g.Dial(t)
	r := g.DialRaw(t)
	r.Upgrade()
	const pings = 5_000
	payload := func(i int) []byte { return binary.BigEndian.AppendUint32(make([]byte, 100), uint32(i)) }
	go func() {
		for i := range pings {
			if _, err := r.Write(wstest.MaskedFrame(wstest.OpPing, payload(i))); err != nil {
				return
			}
		}
	}()
	for i := range pings {
		op, got, err := r.Frame()
		if err != nil || op != wstest.OpPong || string(got) != string(payload(i)) {
			t.Fatalf("pong %d: opcode %d, %x, %v", i, op, got, err)
		}
	}

	before := wstest.RSS(t, g.PID())
	deaf := make([]*wstest.Raw, 20)
	burst := []byte{}
	for i := range 1000 {
		burst = append(burst, wstest.MaskedFrame(wstest.OpPing, payload(i))...)
	}
	for i := range deaf {
		deaf[i] = g.DialRaw(t)
		deaf[i].SetReadBuffer(4096)
		deaf[i].Upgrade()
		go func() {
			for range 50 { // 5 MB of pings
				if _, err := deaf[i].Write(burst); err != nil {
					return
				}
			}
		}()
	}
	for range 100 {
		g.Push(wstest.To("client_ids", bystander.ID), "meanwhile")
		bystander.Expect("meanwhile")
	}
	most := 50 << 20
	if wstest.RaceEnabled {
		most *= 3 // the race detector touches also what the gateway does not (server/giveback.go)
	}
	if grown := wstest.RSS(t, g.PID()) - before; grown > most {
		t.Errorf("20 clients that flood with pings cost %d MiB", grown>>20)
	}
}

// TestResetDuringBroadcast: clients that disappear with RST during a broadcast do
// not affect the others, and every delivery is accounted for.
func TestResetDuringBroadcast(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	good := crowd(t, g, 40)
	doomed := make([]*wstest.Raw, 100)
	for i := range doomed {
		doomed[i] = g.DialRaw(t)
		doomed[i].Upgrade()
	}
	padding := strings.Repeat("x", 4000)
	matched := 0
	const pushes = 200
	for i := range pushes {
		matched += g.Push(wstest.All(), label(padding, i))
		if i >= 50 && i-50 < len(doomed) {
			go doomed[i-50].Reset()
		}
	}
	for _, c := range good {
		for i := range pushes {
			c.Expect(label(padding, i))
		}
	}
	g.AwaitMetric("castgate_connections", float64(len(good)))
	if d := g.Balanced(t); d.Matched != matched || d.Written < pushes*len(good) {
		t.Errorf("%+v, want %d matched and at least %d written", d, matched, pushes*len(good))
	}
}
