package loop

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/kernel"
	"castgate/server/reason"
)

// hearer is told of messages and keeps them.
type hearer struct{ messages []string }

func (*hearer) Opened(gateway.EventClient, []byte) {}
func (*hearer) Closed(gateway.EventClient)         {}
func (*hearer) Admit(netip.Addr) gateway.Admission { return gateway.AdmitNow }

func (y *hearer) Message(_ gateway.EventClient, _ bool, payload []byte) gateway.Taking {
	y.messages = append(y.messages, string(payload))
	return gateway.Taken
}

// told is a loop that tells y of messages.
func told(t *testing.T) (*loop, *hearer) {
	y := &hearer{}
	return idleLoopWith(t, &kernel.Linux, func(c *rigConfig) { c.Events = y }), y
}

// A read full of tiny messages is taken up in slices, in order, whatever its
// framing is, and nothing is left behind.
func TestTinyMessagesWaitTheirTurn(t *testing.T) {
	const n = 5000
	numbers := func(frame func(dst, payload []byte) []byte) (wire []byte) {
		for i := range n {
			wire = frame(wire, fmt.Append(nil, i))
		}
		return wire
	}
	for what, try := range map[string]struct {
		form frames.Form
		wire []byte
	}{
		"WebSocket": {0, numbers(func(dst, p []byte) []byte { return codec.AppendMaskedFrame(dst, ws.OpText, p, [4]byte{1, 2, 3, 4}) })},
		"text":      {frames.Line, numbers(codec.AppendLine)},
		"frame":     {frames.Counted, numbers(codec.AppendCounted)},
	} {
		for _, cut := range []int{len(try.wire), len(try.wire) - 1, 1000, 7} {
			l, y := told(t)
			c := l.connect(t)
			c.form = try.form
			turns, rest := 0, bytes.Clone(try.wire) // it is unmasked in place
			for len(rest) > 0 || c.is(flagLater) {
				before := len(y.messages)
				slice := firstSlice
				if c.is(flagLater) {
					slice = laterSlice
					turns++
					l.reader.continueNext()
				} else {
					m := min(cut, len(rest))
					l.reader.readFrames(c.slot, c.conn, rest[:m])
					rest = rest[m:]
				}
				if got := len(y.messages) - before; got > slice/(messageCost+toldCost)+1 {
					t.Fatalf("%s: %d messages at once", what, got)
				}
			}
			if len(y.messages) != n || !slices.IsSortedFunc(y.messages, func(a, b string) int { return len(a) - len(b) }) || y.messages[n-1] != fmt.Sprint(n-1) {
				t.Errorf("%s in pieces of %d: %d messages, the last %q", what, cut, len(y.messages), y.messages[len(y.messages)-1])
			}
			if least := len(try.wire) / readLen; turns < least || cut == len(try.wire) && turns < n*(messageCost+toldCost)/laterSlice-1 {
				t.Errorf("%s in pieces of %d: %d turns", what, cut, turns)
			}
			if c.in != nil || l.reader.heldBack != 0 {
				t.Errorf("%s in pieces of %d: %+v, %d bytes are left", what, cut, c.in, l.reader.heldBack)
			}
			l.disconnect(c)
		}
	}
}

// While a client's messages wait it is not read, others are, and what waits goes
// with a client that goes.
func TestWaitingClientIsNotRead(t *testing.T) {
	l, y := told(t)
	flood, other := l.connect(t), l.connect(t)
	flood.form = frames.Line
	l.reader.readFrames(flood.slot, flood.conn, bytes.Repeat([]byte("\n"), 10_000))
	heard := len(y.messages)
	write(t, flood, "more\n")
	write(t, other, string(codec.AppendMaskedFrame(nil, ws.OpText, []byte("other"), [4]byte{})))
	l.reader.readable(flood.slot, flood.conn)
	l.reader.readable(other.slot, other.conn)
	if got := y.messages[heard:]; len(got) != 1 || got[0] != "other" {
		t.Fatalf("heard %q", got)
	}
	if l.reader.heldBack == 0 {
		t.Error("nothing waits")
	}
	l.disconnect(flood)
	l.reader.continueNext() // finds nobody
	if l.reader.heldBack != 0 || !l.reader.later.empty() {
		t.Errorf("%d bytes of a client that is gone wait", l.reader.heldBack)
	}
	l.disconnect(other)
}

// A pong may stand in what is not read while messages wait: meanwhile the client
// is alive.
func TestWaitingClientIsAlive(t *testing.T) {
	l, _ := told(t)
	c := l.connect(t)
	c.form = frames.Line
	l.reader.readFrames(c.slot, c.conn, bytes.Repeat([]byte("\n"), 10_000))
	c.silentSince -= 100
	l.reader.continueNext()
	if c.silentSince != l.clock.now() {
		t.Error("the time in which it could not be heard counts against it")
	}
	l.disconnect(c)
}

// What waits on a loop is bounded: beyond laterRoom reads are short.
func TestRoomOfReads(t *testing.T) {
	l, _ := told(t)
	var floods []connected
	for l.reader.heldBack <= laterRoom {
		c := l.connect(t)
		c.form = frames.Line
		l.reader.readFrames(c.slot, c.conn, bytes.Repeat([]byte("\n"), readLen))
		floods = append(floods, c)
	}
	quiet := l.connect(t)
	if n := len(l.reader.room(quiet.slot, quiet.conn)); n != shortRead {
		t.Errorf("a read of %d bytes", n)
	}
	for _, c := range floods {
		l.disconnect(c)
	}
	if n := len(l.reader.room(quiet.slot, quiet.conn)); n != readLen {
		t.Errorf("then a read of %d bytes", n)
	}
	l.disconnect(quiet)
}

// A rate of bytes is one of work: what a compressed message turns into counts.
func TestByteRateCountsWhatIsInflated(t *testing.T) {
	for size, closed := range map[int]bool{10_000: false, 1 << 20: true} {
		l := idleLoopWith(t, &kernel.Linux, func(c *rigConfig) {
			c.Compress, c.MaxMessage = true, 1<<20
			c.ByteRate, c.ByteBurst = 1000, 1<<20+readLen
		})
		c := l.connectOffering(t)
		for range 2 {
			l.reader.readFrames(c.slot, c.conn, compressedFrame(ws.OpText, deflated([]byte(strings.Repeat("a", size)))))
			for c.is(flagLater) {
				l.reader.continueNext()
			}
		}
		if got := c.state != connOpen; got != closed {
			t.Errorf("twice %d bytes inflated: closed %v", size, got)
		}
		if closed && c.close != reason.ByteRate {
			t.Errorf("closed for %v", c.close)
		}
		l.disconnect(c)
	}
}

// write sends as the peer.
func write(t *testing.T, c connected, b string) {
	t.Helper()
	if _, err := unix.Write(c.peer, []byte(b)); err != nil {
		t.Fatal(err)
	}
}

// Without rates there is no memory for allowances, and it goes when they are taken away.
func TestMetersComeAndGo(t *testing.T) {
	l, _ := told(t)
	c := l.connect(t)
	say := func() int {
		l.reader.readFrames(c.slot, c.conn, codec.AppendMaskedFrame(nil, ws.OpText, []byte("x"), [4]byte{1, 2, 3, 4}))
		return l.reader.meters.Pages()
	}
	if n := say(); n != 0 {
		t.Errorf("%d pages without rates", n)
	}
	for _, set := range []struct {
		policy admission.Policy
		pages  int
	}{{admission.Policy{MessageRate: 1, MessageBurst: 20}, 1}, {admission.Policy{}, 0}} {
		if _, err := l.srv.admission.Set(set.policy); err != nil {
			t.Fatal(err)
		}
		l.clock.tick()
		if n := say(); n != set.pages {
			t.Errorf("%+v: %d pages", set.policy, n)
		}
	}
	l.disconnect(c)
}
