package loop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/codec/codectest"
	"castgate/server/frames"
	"castgate/server/internal/quota"
	"castgate/server/internal/table"
	"castgate/server/kernel"
	"castgate/server/reason"
	"castgate/server/token/tokentest"
)

// answer is what a loop answers to bytes that come in pieces, with the count of
// each handshake's result. The loop takes up each piece before the next comes; it
// looks at its mailbox in between if patient, else only at the end.
func (l *loop) answer(t *testing.T, a Arrival, patient bool, pieces ...[]byte) string {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(pair[1]) }()
	_ = unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	before := l.srv.Stats().Handshakes
	l.srv.sockets.Add(1)
	a.FD = pair[0]
	l.mail.arrive(a)
	l.entrance.takeIn()
	slot, _ := l.srv.fds.Get(pair[0])
	gen := l.conn(slot).gen
	there := func() bool { c := l.conn(slot); return c != nil && c.gen == gen }
	settle := func() { l.settle(t, slot, pair[0], there) }
	for _, p := range pieces {
		for len(p) > 0 {
			n, err := unix.Write(pair[1], p)
			if err != nil {
				t.Fatal(err)
			}
			p = p[n:]
			if c := l.conn(slot); there() && c.paused == reading {
				l.reader.readable(slot, c)
			}
		}
		if patient {
			settle()
		}
	}
	settle()
	var got []byte
	for b := make([]byte, 64<<10); ; {
		n, err := unix.Read(pair[1], b)
		if n <= 0 || err != nil {
			break
		}
		got = append(got, b[:n]...)
	}
	if there() {
		l.exit.closeNow(slot, l.conn(slot), reason.Gone)
	}
	if bytes, heads := l.heads.budget.Held(); bytes != 0 || l.count.HeadBytes.Load() != 0 || heads != 0 {
		t.Fatalf("%d bytes of %d heads are still held", bytes, heads)
	}
	for label, n := range l.srv.Stats().Handshakes {
		if n != before[label] {
			got = fmt.Appendf(got, "\n%s: %d", label, n-before[label])
		}
	}
	return string(got)
}

// settle does what a running loop does until nothing is left to be read of a
// connection, and its token is checked.
func (l *loop) settle(t *testing.T, slot uint32, fd int, there func() bool) {
	t.Helper()
	for there() {
		if err := l.turn(); err != nil {
			t.Fatal(err)
		}
		c := l.conn(slot)
		if !there() {
			return
		}
		unread, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case unread > 0 && c.paused == reading:
			l.reader.readable(slot, c)
		case c.is(flagLater):
			l.reader.continueNext()
		case c.state == connVerifying:
			runtime.Gosched()
		case unread == 0:
			return
		default:
			t.Fatal("a connection is paused for ever")
		}
	}
}

// What a connection comes to does not depend on how its bytes are cut: the head
// counts against its limit, what stands behind it never does.
func TestEverySplitIsAnsweredAlike(t *testing.T) {
	const limit = 1200
	token := "Sec-WebSocket-Protocol: castgate, bearer." + tokentest.Sign(t, jwt.MapClaims{"sub": "alice"}) + "\r\n"
	v1 := []byte("PROXY TCP4 203.0.113.7 127.0.0.1 4711 7272\r\n")
	peer := netip.MustParseAddrPort("127.0.0.1:9")
	lines := []byte(strings.Repeat(strings.Repeat("l", 99)+"\n", 90))
	for name, try := range map[string]struct {
		change func(*rigConfig)
		Arrival
		head, behind []byte
		want         string
	}{
		"plain":     {head: codectest.Head(limit, ""), behind: codectest.TextMessages(9, 1000), want: "\nok: 1"},
		"too large": {head: codectest.Head(limit+1, ""), behind: codectest.TextMessages(9, 1000), want: "[too_large]\n\ntoo_large: 1"},
		"bad":       {head: []byte("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), behind: codectest.TextMessages(2, 1000), want: "\nno_upgrade: 1"},
		"token": {change: func(c *rigConfig) { c.JWT.Keys, c.JWT.Required = tokentest.Keys(t), true },
			head: codectest.Head(limit, token), behind: codectest.TextMessages(9, 1000), want: "\nok: 1"},
		"bad token": {change: func(c *rigConfig) { c.JWT.Keys, c.JWT.Query = tokentest.Keys(t), "t" },
			head: []byte(strings.Replace(upgradeRequest, "GET /", "GET /?t=x", 1)), behind: codectest.TextMessages(9, 1000), want: ": 1"},
		"proxied": {change: func(c *rigConfig) { c.ProxyProtocol, c.TrustedProxies = true, trusting("127.0.0.0/8") }, Arrival: Arrival{Proxied: true},
			head: append(v1, codectest.Head(limit, "")...), behind: codectest.TextMessages(9, 1000), want: "\nok: 1"},
		"text":  {Arrival: Arrival{Form: frames.Line}, behind: lines, want: "\nok: 1"},
		"frame": {Arrival: Arrival{Form: frames.Counted}, behind: codec.AppendCounted(codec.AppendCounted(nil, lines), lines[:50]), want: "\nok: 1"},
		"tcp":   {Arrival: Arrival{Form: frames.Bytes}, behind: lines, want: "\nok: 1"},
		"proxied text": {change: func(c *rigConfig) { c.ProxyProtocol, c.TrustedProxies = true, trusting("127.0.0.0/8") },
			Arrival: Arrival{Proxied: true, Form: frames.Line}, head: v1, behind: lines, want: "\nok: 1"},
	} {
		t.Run(name, func(t *testing.T) {
			l := idleLoopWith(t, &kernel.Linux, func(c *rigConfig) {
				c.OnMessage, c.InitMessage, c.MaxHandshake = OnMessageEcho, "", limit
				if try.change != nil {
					try.change(c)
				}
			})
			try.Addr = peer
			all := append(bytes.Clone(try.head), try.behind...)
			whole := l.answer(t, try.Arrival, true, all)
			if !strings.HasSuffix(whole, try.want) || strings.HasSuffix(try.want, "ok: 1") && len(whole) < len(try.behind)/2 {
				t.Fatalf("whole: %d bytes, ending in %.200q", len(whole), whole[max(0, len(whole)-100):])
			}
			for i := 1; i < len(all); {
				if got := l.answer(t, try.Arrival, i%2 == 0, all[:i], all[i:]); got != whole {
					t.Fatalf("cut at %d: %d bytes\n%.300q\n, want %d\n%.300q", i, len(got), got, len(whole), whole)
				}
				if i++; i > len(try.head)+2 {
					i += 60 // a head is cut everywhere, what is behind it here and there
				}
			}
			for seed := range uint64(30) {
				var pieces [][]byte
				random := rand.New(rand.NewPCG(seed, 3))
				for rest := all; len(rest) > 0; {
					n := min(1+random.IntN(1<<random.IntN(12)), len(rest))
					pieces, rest = append(pieces, rest[:n]), rest[n:]
				}
				if got := l.answer(t, try.Arrival, seed%2 == 0, pieces...); got != whole {
					t.Fatalf("in %d pieces: %d bytes, want %d", len(pieces), len(got), len(whole))
				}
			}
		})
	}
}

// half begins a connection from an address with bytes of a head that is not
// complete.
func (l *loop) half(t *testing.T, from string, head []byte) connected {
	t.Helper()
	fd, peer := socketPair(t)
	l.srv.sockets.Add(1)
	l.mail.arrive(Arrival{FD: fd, Addr: netip.AddrPortFrom(netip.MustParseAddr(from), 1)})
	l.entrance.takeIn()
	slot, _ := l.srv.fds.Get(fd)
	c := connected{slot, l.conn(slot), peer}
	c.sends(t, l, head)
	return c
}

func (c connected) sends(t *testing.T, l *loop, b []byte) {
	t.Helper()
	if n, err := unix.Write(c.peer, b); n != len(b) || err != nil {
		t.Fatal(n, err)
	}
	l.reader.readable(c.slot, c.conn)
}

// Half heads of a stranger fill the budget and give way to his own next ones:
// those that others began before and finish later are answered.
func TestHalfHeadsOfAStranger(t *testing.T) {
	l := idleLoop(t)
	const limit = 4 << 20
	l.heads.budget = quota.NewBudget[table.Handle](limit, codec.MaxHandshake)
	head := codectest.Head(9400, "")
	var honest []connected
	for i := range 20 {
		honest = append(honest, l.half(t, fmt.Sprintf("2001:db8:0:%x::1", i), head[:6000]))
	}
	junk := codectest.Head(30<<10, "")[:20<<10]
	for i := range 1000 {
		l.half(t, fmt.Sprintf("203.0.113.%d", i%3), junk)
		held, _ := l.heads.budget.Held()
		if held > limit {
			t.Fatalf("%d bytes are held, above the limit of %d", held, limit)
		}
		if st := l.srv.Stats(); st.HeadBytes != held {
			t.Fatalf("%d bytes are told of, %d held", st.HeadBytes, held)
		}
	}
	refused := l.count.Handshakes[codec.HandshakeCrowded].Load()
	if least := uint64(1000 - 4<<20/len(junk)); refused < least {
		t.Errorf("%d were refused, want %d at least", refused, least)
	}
	for i, c := range honest {
		if c.sends(t, l, head[6000:]); c.state != connOpen {
			t.Errorf("honest client %d is in state %d", i, c.state)
		}
	}
}

// Many strangers with a half head each: the oldest give way, and what is held
// stays within the limit.
func TestHalfHeadsOfMany(t *testing.T) {
	l := idleLoop(t)
	const limit = 1 << 20
	l.heads.budget = quota.NewBudget[table.Handle](limit, codec.MaxHandshake)
	head := codectest.Head(9400, "")
	var all []connected
	for i := range 500 {
		all = append(all, l.half(t, fmt.Sprintf("2001:db8:0:%x::1", i), head[:9000]))
		if held, _ := l.heads.budget.Held(); held > limit {
			t.Fatalf("%d bytes are held", held)
		}
	}
	there := 0
	for i, c := range all {
		if c.state == connHandshake {
			there++
		} else if there > 0 {
			t.Fatalf("%d was refused, an older one was not", i)
		}
	}
	if held := there * (9000 + headCost); there == 0 || held < limit*3/4 {
		t.Errorf("%d are left", there)
	}
	last := all[len(all)-1]
	if last.sends(t, l, head[9000:]); last.state != connOpen {
		t.Errorf("the newest is in state %d", last.state)
	}
}

// A head that comes byte by byte is searched once and copied a bounded number of
// times.
func TestHeadInBytes(t *testing.T) {
	l := idleLoopWith(t, &kernel.Linux, func(c *rigConfig) { c.MaxHandshake = codec.MaxHandshake })
	head := codectest.Head(codec.MaxHandshake, "")
	c := l.half(t, "203.0.113.7", head[:1])
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := 1; i < len(head)-1; i++ {
		l.reader.consume(c.slot, c.conn, head[i:i+1])
		if c.in.scanned != i+1 {
			t.Fatalf("%d of %d bytes are searched", c.in.scanned, i+1)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 8*codec.MaxHandshake {
		t.Errorf("%d bytes are made for a head of %d", n, len(head))
	}
	if l.reader.consume(c.slot, c.conn, head[len(head)-1:]); c.state != connOpen {
		t.Errorf("state %d", c.state)
	}
}
