package stress

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"castgate/internal/wstest"
	"castgate/stress/internal/wallclock"
)

var jumping = []Scenario{{
	Name:    "clock-jumps",
	Says:    "the wall clock jumps, by seconds to centuries: only tokens are affected",
	prepare: prepareJumps,
}}

const (
	year = 365 * 24 * time.Hour
	// beyondMonotonic is an offset to where Go's times lose their monotonic
	// reading, after March 2157. The clock of Linux goes to 2232.
	beyondMonotonic = 175 * year
)

// Settings of the gateway, in real time.
const (
	jumpSilence   = 3 * time.Second  // --ping-interval plus --ping-timeout: until a mute client is closed
	jumpHandshake = 2 * time.Second  // --handshake-timeout
	jumpControl   = time.Second      // --control-timeout
	connectRate   = 20               // --connect-rate-per-ip
	connectBurst  = 60               // --connect-burst-per-ip
	messageBurst  = 40               // --message-burst, two seconds' worth
	innerSilence  = 10 * time.Second // until an inner connection must send something
	auditEach     = 10               // refusals that are recorded in a second
	jumpKey       = "clock-jumps-0123456789abcdef0123456789abcdef"
)

// tickSlack is how early the gateway's timeouts may fire.
const tickSlack = 300 * time.Millisecond

// Entry is the first call of a program that runs scenarios. Some scenarios start
// the program again to become the gateway; in that process Entry does not return.
func Entry() { wallclock.Entry() }

// jumps is the state of the scenario apart from its gateway.
type jumps struct {
	clock  *wallclock.Clock
	ca     *wstest.Authority
	cert   wstest.Pair
	secret []byte // for tokens
	inner  string // address of GatewayWorker's inner endpoint
	rounds int
}

func prepareJumps(t *Trial) (wstest.Options, func(*Trial, *site), error) {
	if err := wallclock.Usable(); err != nil {
		return wstest.Options{}, nil, fmt.Errorf("cannot give a process its own clock here: %w", err)
	}
	clock, err := wallclock.New()
	t.Must(err == nil, "a clock: %v", err)
	t.Cleanup(func() {
		clock.Close()
		t.Check(clock.Err() == nil, "the clock: %v", clock.Err())
	})
	j := &jumps{clock: clock, ca: wstest.NewAuthority(t), secret: []byte("a secret of at least 32 characters")}
	j.cert, j.inner = j.ca.Issue("site"), wstest.FreeAddr(t)
	secret := filepath.Join(t.TempDir(), "secret")
	err = os.WriteFile(secret, j.secret, 0o600)
	t.Must(err == nil, "writing the secret: %v", err)
	return wstest.Options{
		Wrap: clock.Wrap(), Key: jumpKey, Schemes: []string{"wss"},
		Flags: []string{
			"--ping-interval", "1s", "--ping-timeout", "2s", "--handshake-timeout", "2s", "--unbound-timeout", "1m",
			"--connect-rate-per-ip", "20", "--connect-burst-per-ip", "60", "--handshake-rate", "500",
			"--message-rate", "20", "--message-burst", "40", "--on-message", "ignore", "--send-queue", "32MiB",
			"--control-timeout", "1s", "--control-key", jumpKey, "--jwt-secret", "@" + secret,
			"--tls-cert", j.cert.Cert, "--tls-key", j.cert.Key, "--gatewayworker-inner", j.inner, "--gatewayworker-workers", "never",
		},
	}, j.round, nil
}

func (j *jumps) round(t *Trial, s *site) {
	j.clock.Set(0)
	serial := j.ca.Renew(j.cert)
	silent := j.silentInner(t)
	traffic := startTraffic(t, s)
	now := time.Now()
	farOff := now.Add(20 * year)
	expired := j.bearer("past", now.Add(-2*year), now.Add(-time.Hour))
	early := j.bearer("early", now.Add(time.Hour), farOff)
	j.refused(t, s, expired, "token_expired")
	j.refused(t, s, early, "token_early")
	soon := j.admitted(t, s, j.bearer("soon", now, now.Add(time.Hour)))
	long := j.admitted(t, s, j.bearer("long", now, farOff))
	for _, offset := range []time.Duration{5 * time.Second, -5 * time.Second, time.Minute, -time.Minute, 50 * time.Minute} {
		j.hold(t, s, offset)
	}
	t.Check(soon.Err() == nil, "a token that is still valid: %v", soon.Err())

	j.deadlines(t, s, 3*time.Hour)
	j.expires(t, s, soon)
	valid := j.admitted(t, s, early)
	j.burst(t, s, 4*time.Hour)

	j.deadlines(t, s, -year)
	j.refused(t, s, early, "token_early")
	again := j.admitted(t, s, expired)
	j.hold(t, s, 10*year)
	j.expires(t, s, again)
	for _, offset := range []time.Duration{0, time.Unix(1, 0).Sub(now), 0} {
		j.hold(t, s, offset)
	}
	for _, c := range []*wstest.Client{long, valid} {
		t.Check(c.Err() == nil, "a token for years: %v", c.Err())
		c.Close()
		t.run("a client with a token", numbersOf(c))
		s.addReceived(len(c.Messages()))
	}
	j.hold(t, s, beyondMonotonic)
	time.Sleep(1100 * time.Millisecond) // long enough for whatever reads its clock once a second
	j.hold(t, s, 0)
	j.audit(t, s)
	traffic.end(t, s)
	j.renewed(t, s, serial)
	took := silent()
	t.Check(took >= innerSilence-tickSlack, "a silent inner connection was closed after %v, want %v", took, innerSilence)
	traffic.pause(t, s)
}

// hold sets the clock, leaves the gateway some time with it while handshakes go on,
// and compares the time of one connection with the clock.
func (j *jumps) hold(t *Trial, s *site, offset time.Duration) {
	j.clock.Set(offset)
	time.Sleep(150 * time.Millisecond)
	before := j.clock.Now()
	c := s.crowd(t, 1)[0]
	after := j.clock.Now()
	_, answer, err := s.TryControl("GET", "/v1/clients/"+c.ID, nil)
	text, _ := answer["connected_at"].(string)
	at, _ := time.Parse(time.RFC3339, text)
	t.Check(err == nil && at.Add(time.Millisecond).After(before) && !at.After(after),
		"at %v: connected at %q, %v, not between %v and %v", offset, text, err, before, after)
	c.Close()
}

// deadlines makes the clock jump during a handshake, before a client's pong and
// during a delivery. Each must take its real time.
func (j *jumps) deadlines(t *Trial, s *site, offset time.Duration) {
	full := fullClient(t, s, true)
	begun := time.Now()
	half := s.DialRaw(t)
	half.Put([]byte(wstest.Handshake[:20]))
	s.expect(handshakesTimeout, 1)
	fullClient(t, s, false) // mute; with everything already in its kernel it would have a minute to read it
	s.expect(closes("ping_timeout"), 1)
	jump := time.AfterFunc(jumpControl/3, func() { j.clock.Set(offset) })
	defer jump.Stop()

	asked := time.Now()
	status, answer, err := s.TryControl("POST", "/v1/push", wstest.M{"to": wstest.To("client_ids", full), "text": "x", "wait": "written"})
	took := time.Since(asked)
	t.Check(err == nil && status == 200 && answer["matched"] == 1.0 && answer["written"] == 0.0,
		"a push that cannot be delivered: status %d, %v, %v", status, answer, err)
	t.Check(took >= jumpControl-tickSlack, "the control API waited for %v, want %v", took, jumpControl)
	s.mu.Lock()
	s.matched++
	s.expected[pushes]++
	s.mu.Unlock()

	t.Equal("the answer to an unfinished handshake", half.Status(), http.StatusRequestTimeout)
	took = time.Since(begun)
	t.Check(took >= jumpHandshake-tickSlack, "a handshake timed out after %v, want %v", took, jumpHandshake)
	s.AwaitMetric(closes("ping_timeout"), float64(s.owedOf(closes("ping_timeout"))))
	took = time.Since(begun)
	t.Check(took >= jumpSilence-tickSlack, "a mute client was closed after %v, want %v", took, jumpSilence)
	j.hold(t, s, offset)
}

// fullClient returns the id of a client that reads no more data. If answers is set,
// it still answers pings.
func fullClient(t *Trial, s *site, answers bool) (id string) {
	r := s.DialRaw(t)
	r.SetReadBuffer(32 << 10)
	var init struct {
		ID string `json:"client_id"`
	}
	err := json.Unmarshal([]byte(r.Upgrade()), &init)
	t.Must(err == nil && init.ID != "", "an init message: %v", err)
	s.expect(handshakesOK, 1)
	if answers {
		go answerPings(t, r)
	}
	for range 10 { // more than the socket buffers hold
		s.push(wstest.To("client_ids", init.ID), strings.Repeat("x", 1_000_000))
	}
	return init.ID
}

// answerPings sends pongs, asked or not, until the client is closed at the end of
// the round.
func answerPings(t *Trial, r *wstest.Raw) {
	for {
		if _, err := r.Write(wstest.MaskedFrame(wstest.OpPong, nil)); err != nil {
			t.Check(errors.Is(err, net.ErrClosed), "a client that reads nothing, but answers pings, ended with %v", err)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// burst sends as many messages as a client may at once, and again after a jump,
// during which no real time has passed.
func (j *jumps) burst(t *Trial, s *site, offset time.Duration) {
	r := s.raw(t, 1)[0]
	var messages []byte
	for i := range messageBurst {
		messages = append(messages, wstest.MaskedFrame(wstest.OpText, []byte(numbered(i, 10)))...)
	}
	r.Put(messages)
	time.Sleep(50 * time.Millisecond) // so that it is read before the jump
	j.clock.Set(offset)
	r.Put(messages)
	_, code := readRest(r, 1<<30)
	t.Equal("the close code of a client that sent twice its burst", code, 1008)
	s.expect(closes("message_rate"), 1)
}

// audit makes requests with a wrong key around jumps. As many are recorded as the
// real time allows.
func (j *jumps) audit(t *Trial, s *site) {
	written := func() int { return strings.Count(s.Log(), "action=refused") }
	before, begun := written(), time.Now()
	ask := func(n int) {
		for range n {
			status := stranger(s)
			t.Check(strings.HasPrefix(status, "HTTP/1.1 401 "), "a wrong key is answered %q", status)
		}
	}
	for _, offset := range []time.Duration{0, time.Hour, beyondMonotonic, -year} {
		j.clock.Set(offset)
		ask(3 * auditEach)
	}
	most := auditEach * (1 + int(time.Since(begun)/time.Second))
	said := written() - before
	t.Check(said > 0 && said <= most, "%d refusals were recorded, want at most %d", said, most)
	time.Sleep(time.Second)
	said = written()
	ask(1)
	wstest.Await(t, func() string {
		if written() == said {
			return "refusals are no longer recorded"
		}
		return ""
	})
	j.clock.Set(0)
}

// stranger makes a request with a wrong key and returns the first line of the
// answer. Each request ends its connection. It does not use the connections of s,
// since the control port's goroutines would take long to leave.
func stranger(s *site) (status string) {
	c, err := s.DialControl()
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(wstest.Patience))
	fmt.Fprint(c, "GET /v1/stats HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer of-something-else\r\n\r\n")
	status, _ = bufio.NewReader(c).ReadString('\n')
	return status
}

// silentInner opens a connection of GatewayWorker's protocol that sends nothing.
// wait waits until the gateway closes it, and returns how long that took.
func (j *jumps) silentInner(t *Trial) (wait func() time.Duration) {
	opened := time.Now()
	c, err := net.Dial("tcp", j.inner)
	t.Must(err == nil, "the inner endpoint: %v", err)
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(opened.Add(innerSilence + wstest.Patience))
	closed := make(chan time.Duration, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		t.Check(errors.Is(err, io.EOF), "a silent inner connection ended with %v", err)
		closed <- time.Since(opened)
	}()
	return func() time.Duration { return <-closed }
}

// renewed waits until the gateway has noticed the new certificate.
func (j *jumps) renewed(t *Trial, s *site, serial *big.Int) {
	j.rounds++
	s.AwaitMetric(`castgate_tls_certificate_reloads_total{result="ok"}`, float64(j.rounds))
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: wstest.Patience}, Config: j.ca.Trust()}
	c, err := d.Dial("tcp", s.Listeners["wss"])
	t.Check(err == nil, "a TLS handshake after the jumps: %v", err)
	if err != nil {
		return
	}
	s.expect(handshakesGone, 1)
	shown := c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber
	t.Check(shown.Cmp(serial) == 0, "the certificate is %v, want %v", shown, serial)
	c.Close()
}
