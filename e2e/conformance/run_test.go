package conformance

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// leastCases is the number of cases below which this suite must not fall.
const leastCases = 517

// testCase is one rule with one input. With zero values it makes a plain handshake,
// sends nothing, and the connection stays open.
type testCase struct {
	number string // chapter.section.case
	rule   string // the section with the rule
	name   string

	// The handshake.
	head    string // whole request head; "" is a correct one
	offer   string // value of Sec-WebSocket-Extensions; "" leaves it out
	refused int    // status of the refusal; 0 expects 101
	agreed  string // Sec-WebSocket-Extensions of the answer

	// The frames.
	send  func() []byte // everything sent after the handshake
	chop  int           // bytes per write; 0 writes all at once
	echo  []message     // answers, in order
	packs bool          // the last answer must be compressed
	code  int           // of the server's close frame; 0: it must not close
	ended int           // of the close frame that answers ours, which is part of send; 0: none was sent
}

// outcome of a case.
type outcome string

const (
	outcomeOK        outcome = "OK"
	outcomeNonStrict outcome = "NON-STRICT"
	outcomeFailed    outcome = "FAILED"
)

// book collects cases and numbers them.
type book struct {
	cases            []testCase
	chapter, section int
	rule             string
	at               int
}

// begin starts a section of a chapter. Its cases test one rule.
func (b *book) begin(chapter, section int, rule string) {
	b.chapter, b.section, b.rule, b.at = chapter, section, rule, 0
}

func (b *book) add(c testCase) {
	b.at++
	c.number = fmt.Sprintf("%d.%d.%d", b.chapter, b.section, b.at)
	if c.rule == "" {
		c.rule = b.rule
	}
	b.cases = append(b.cases, c)
}

// allCases is the whole suite, built once; tests only read it.
var allCases = sync.OnceValue(func() []testCase {
	var b book
	lengthCases(&b)
	controlCases(&b)
	reservedCases(&b)
	fragmentCases(&b)
	maskCases(&b)
	textCases(&b)
	closeCases(&b)
	largeCases(&b)
	deflateCases(&b)
	deflateRuleCases(&b)
	negotiationCases(&b)
	handshakeCases(&b)
	return b.cases
})

func TestConformance(t *testing.T) {
	g := wstest.Start(t, "--on-message", "echo", "--init-message", "", "--max-message", "16MiB", "--send-queue", "64MiB",
		"--compress", "--log-level", "warn",
		// On a busy machine under the race detector, 16 MiB take longer than the
		// silence after which a client is pinged. No case expects a ping.
		"--ping-interval", "0")
	cases := allCases()
	type report struct {
		outcome outcome
		detail  string
	}
	reports := make([]report, len(cases))
	next := make(chan int)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range next {
				reports[i].outcome, reports[i].detail = cases[i].run(g.Addr)
			}
		})
	}
	for i := range cases {
		next <- i
	}
	close(next)
	all.Wait()

	seen := map[string]bool{}
	count := map[outcome]int{}
	for i, c := range cases {
		r := reports[i]
		count[r.outcome]++
		if seen[c.number] {
			t.Errorf("%s is there twice", c.number)
		}
		seen[c.number] = true
		if testing.Verbose() {
			fmt.Printf("%-9s %-10s %-28s %s %s\n", c.number, r.outcome, c.rule, c.name, r.detail)
		}
		if r.outcome == outcomeFailed {
			t.Errorf("%s (%s) %s: %s", c.number, c.rule, c.name, r.detail)
		}
	}
	fmt.Printf("%d cases: %d OK, %d NON-STRICT (allowed, but not recommended), %d FAILED\n", len(cases), count[outcomeOK], count[outcomeNonStrict], count[outcomeFailed])
	if len(cases) < leastCases {
		t.Errorf("%d cases, want at least %d", len(cases), leastCases)
	}
	if n := count[outcomeNonStrict]; n > 0 { // none today: whoever adds one must say so here
		t.Errorf("%d cases are NON-STRICT", n)
	}
}

// run runs a case.
func (c *testCase) run(addr string) (outcome, string) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return outcomeFailed, err.Error()
	}
	defer conn.Close()
	p := &peer{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	if err := c.handshake(p); err != nil {
		return outcomeFailed, err.Error()
	}
	if c.refused != 0 {
		return outcomeOK, ""
	}
	var input []byte
	if c.send != nil {
		input = c.send()
	}
	if c.code == 0 && c.ended == 0 {
		input = slices.Concat(input, closeFrame(1000, "")) // a case may run again
	}
	// Concurrent with reading, or two full socket buffers would wait for each
	// other.
	go c.write(conn, input)
	err = c.read(p)
	switch {
	case errors.Is(err, errNoCode):
		return outcomeNonStrict, err.Error()
	case err != nil:
		return outcomeFailed, err.Error()
	}
	return outcomeOK, ""
}

// write sends the input. If the server stops reading, its answers show that.
func (c *testCase) write(conn net.Conn, input []byte) {
	step := c.chop
	if step == 0 {
		step = max(len(input), 1)
	}
	for len(input) > 0 {
		_ = conn.SetWriteDeadline(time.Now().Add(patience))
		n, err := conn.Write(input[:min(step, len(input))])
		if err != nil {
			return
		}
		input = input[n:]
	}
}

const (
	requestLine = "GET /conformance HTTP/1.1\r\n"
	requestHost = "Host: gateway.example\r\n"
	requestRest = "Upgrade: websocket\r\nConnection: Upgrade\r\n" + requestKey + requestVersion
	requestKey  = "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n"

	requestVersion = "Sec-WebSocket-Version: 13\r\n"
	wantAccept     = "HSmrc0sMlYUkAGmm5OPpG2HaGWk="
)

// handshake completes the handshake and checks the answer.
func (c *testCase) handshake(p *peer) error {
	head := c.head
	if head == "" {
		head = requestLine + requestHost + requestRest
		if c.offer != "" {
			head += "Sec-WebSocket-Extensions: " + c.offer + "\r\n"
		}
		head += "\r\n"
	}
	go c.write(p.conn, []byte(head))
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	answer, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return fmt.Errorf("answer to the handshake: %w", err)
	}
	if c.refused != 0 {
		if answer.StatusCode != c.refused {
			return fmt.Errorf("answered %d, want %d", answer.StatusCode, c.refused)
		}
		return nil
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("answered %d, want 101", answer.StatusCode)
	}
	for name, want := range map[string]string{
		"Upgrade": "websocket", "Connection": "upgrade", "Sec-WebSocket-Accept": wantAccept, "Sec-WebSocket-Extensions": c.agreed,
	} {
		got := strings.Join(answer.Header.Values(name), "|")
		if got != want && (name == "Sec-WebSocket-Accept" || name == "Sec-WebSocket-Extensions" || !strings.EqualFold(got, want)) {
			return fmt.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	p.packs = c.agreed != ""
	return nil
}

// errNoCode: the connection was failed, as it must be, but without a close frame.
var errNoCode = errors.New("no close frame")

// read checks everything that the server sends.
func (c *testCase) read(p *peer) error {
	for i, want := range c.echo {
		got, err := p.next()
		if err != nil {
			return fmt.Errorf("waiting for answer %d: %w", i+1, err)
		}
		if got.op != want.op || got.payload != want.payload {
			return fmt.Errorf("answer %d is opcode %d, %.60q (%d bytes), want opcode %d, %.60q (%d bytes)",
				i+1, got.op, got.payload, len(got.payload), want.op, want.payload, len(want.payload))
		}
		if c.packs && i == len(c.echo)-1 && !got.packed {
			return errors.New("the last answer came uncompressed")
		}
	}
	want := c.code
	switch {
	case want == 0 && c.ended != 0:
		want = c.ended
	case want == 0:
		want = 1000
	}
	got, err := p.next()
	switch {
	case errors.Is(err, errEnd) && c.code != 0:
		return errNoCode
	case err != nil:
		return fmt.Errorf("waiting for a close frame: %w", err)
	case got.op != opClose:
		return fmt.Errorf("got opcode %d, %.60q, want a close frame", got.op, got.payload)
	}
	code := 1005 // RFC 6455 section 7.1.5
	if len(got.payload) >= 2 {
		code = int(binary.BigEndian.Uint16([]byte(got.payload)))
	}
	if code != want {
		return fmt.Errorf("close code %d %q, want %d", code, got.payload[min(2, len(got.payload)):], want)
	}
	if c.code != 0 {
		go c.write(p.conn, closeFrame(code, ""))
	}
	// The server closes TCP first (RFC 6455 section 7.1.1).
	if m, err := p.next(); !errors.Is(err, errEnd) {
		return fmt.Errorf("after the close frame: opcode %d, %.60q, %v", m.op, m.payload, err)
	}
	return nil
}
