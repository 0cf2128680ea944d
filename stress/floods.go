package stress

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

var flooding = []Scenario{{
	Name:  "ping-flood",
	Says:  "pings are answered once and in order, also during floods from clients that do not read",
	round: pings,
}, {
	Name:    "fragment-storm",
	Says:    "messages of hundreds of fragments are echoed completely",
	options: wstest.Options{Flags: []string{"--on-message", "echo"}},
	round:   fragments,
}, {
	Name:  "control-flood",
	Says:  "the control API answers each request of a flood correctly",
	round: controlFlood,
}}

func pings(t *Trial, s *site) {
	const each, broadcasts = 3000, 100
	bystander := s.crowd(t, 1)[0]
	flooders := s.raw(t, 3)
	ping := func(i int) []byte {
		return wstest.MaskedFrame(wstest.OpPing, binary.BigEndian.AppendUint32(make([]byte, 60), uint32(i)))
	}
	burst := []byte{}
	for i := range 1000 {
		burst = append(burst, ping(i)...)
	}
	for _, d := range deaf(t, s, 3) {
		go func() {
			for range 30 { // until the gateway no longer reads or the round ends
				if _, err := d.Write(burst); err != nil {
					return
				}
			}
		}()
	}
	var reading sync.WaitGroup
	for _, r := range flooders {
		go func() {
			for i := range each {
				if _, err := r.Write(ping(i)); err != nil {
					return
				}
			}
		}()
		reading.Go(func() {
			text := 0
			for i := 0; i < each || text < broadcasts; {
				op, payload, err := r.Frame()
				if err != nil {
					t.Check(false, "after %d pongs: %v", i, err)
					return
				}
				if op == wstest.OpText {
					text++
					continue
				}
				t.Check(op == wstest.OpPong && len(payload) == 64 && int(binary.BigEndian.Uint32(payload[60:])) == i,
					"pong %d: opcode %d, %d bytes", i, op, len(payload))
				i++
			}
			s.addReceived(text)
		})
	}
	for i := range broadcasts {
		s.broadcast(numbered(i, 100))
	}
	reading.Wait()
	bystander.Await(broadcasts)
	t.all("the bystander", numbersOf(bystander), broadcasts)
	s.addReceived(broadcasts)
}

// fragments sends messages in small fragments with pings in between, in writes that
// are cut anywhere, and reads the echo.
func fragments(t *Trial, s *site) {
	const messages, pieces = 20, 400
	clients := s.raw(t, 4)
	wstest.Parallel(len(clients), len(clients), func(k int) {
		r := clients[k]
		random := rand.New(rand.NewPCG(uint64(k), 1))
		for range messages {
			whole, wire := fragmented(random, pieces)
			go func() {
				for len(wire) > 0 {
					n := min(len(wire), 1+random.IntN(2000))
					if _, err := r.Write(wire[:n]); err != nil {
						return
					}
					wire = wire[n:]
				}
			}()
			pongs, echo := 0, ""
			for echo == "" {
				op, payload, err := r.Frame()
				switch {
				case err != nil:
					t.Check(false, "waiting for an echo: %v", err)
					return
				case op == wstest.OpPong:
					pongs++
				default:
					echo = string(payload)
				}
			}
			t.Check(echo == whole, "an echo of %d bytes differs from the message of %d", len(echo), len(whole))
			t.Equal("pongs between fragments", pongs, pieces/10)
			s.expect(messagesReceived, 1)
		}
	})
	tooLong := wstest.AppendMasked(nil, wstest.OpText, make([]byte, 2000))
	for range 40 {
		tooLong = wstest.AppendMasked(tooLong, wstest.OpContinuation, make([]byte, 2000))
	}
	for _, r := range s.raw(t, 5) {
		r.Write(tooLong) // may fail: the gateway need not read all of it
		t.Check(r.ExpectClosed() != 1000, "fragments above the limit were accepted")
		s.expect(closes("too_big"), 1)
	}
}

// fragmented returns a text, and its frames: the given number of fragments, with a
// ping before every tenth.
func fragmented(random *rand.Rand, pieces int) (whole string, wire []byte) {
	var text strings.Builder
	for i := range pieces {
		piece := strings.Repeat(string(rune('a'+i%26)), random.IntN(100))
		text.WriteString(piece)
		if i%10 == 0 {
			wire = append(wire, wstest.MaskedFrame(wstest.OpPing, []byte{byte(i)})...)
		}
		first := byte(wstest.OpContinuation)
		if i == 0 {
			first = wstest.OpText
		}
		if i == pieces-1 {
			first |= 0x80
		}
		wire = wstest.AppendMasked(wire, first, []byte(piece))
	}
	return text.String(), wire
}

// controlFlood mixes valid requests, invalid ones and connections that are cut.
func controlFlood(t *Trial, s *site) {
	const callers, calls = 8, 60
	clients := s.crowd(t, callers)
	wstest.Parallel(callers, callers, func(k int) {
		id := clients[k].ID
		expect := func(want int, path string, body any) wstest.M {
			status, answer, err := s.TryControl("POST", path, body)
			t.Check(err == nil && status == want, "%s: status %d, %v, want %d", path, status, err, want)
			return answer
		}
		for i := range calls {
			expect(200, "/v1/bind", wstest.M{"client_id": id, "uid": "u" + id, "groups": []string{"g"}})
			answer := expect(200, "/v1/push", wstest.M{"to": wstest.To("uids", "u"+id), "text": numbered(i, 20)})
			t.Check(answer["matched"] == 1.0, "a push to one client: %v", answer)
			s.mu.Lock()
			s.matched++
			s.expected[pushes]++
			s.mu.Unlock()
			expect(400, "/v1/push", `{"to":{"all":tru`)
			expect(400, "/v1/push", wstest.M{"to": wstest.M{}, "text": "to nobody"})
			expect(404, "/v1/bind", wstest.M{"client_id": "nobody", "uid": "u"})
			if i%20 == 0 {
				expect(413, "/v1/push", make([]byte, 1<<20+1))
			}
			if k > 0 {
				continue
			}
			// One at a time, or the control port's goroutines take long to leave.
			if conn, err := net.Dial("tcp", s.ControlAddr); err == nil {
				conn.Write([]byte("POST /v1/push HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"))
				conn.Close()
			}
		}
	})
	for _, c := range clients {
		c.Await(calls)
		t.all("a client of the flood", numbersOf(c), calls)
		s.addReceived(calls)
	}
}

var storming = []Scenario{{
	Name:    "hook-storm",
	Says:    "a backend that is asked about 19,000 reconnects says nothing: all are refused, in bounded memory",
	prepare: func(t *Trial) (wstest.Options, func(*Trial, *site), error) { return prepareStorm(t, "closed") },
}, {
	Name:    "hook-storm-open",
	Says:    "a backend that is asked about 19,000 reconnects says nothing: all are let in, in bounded memory",
	prepare: func(t *Trial) (wstest.Options, func(*Trial, *site), error) { return prepareStorm(t, "open") },
}}

// stormRequests is how many clients a gateway asks about at once.
const stormRequests = 64

// hookBackend is asked about clients. It lets all in, or says nothing.
type hookBackend struct {
	silent          atomic.Bool
	now, most, asks atomic.Int64
}

// ServeHTTP implements http.Handler.
func (b *hookBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := b.now.Add(1)
	defer b.now.Add(-1)
	for most := b.most.Load(); n > most && !b.most.CompareAndSwap(most, n); most = b.most.Load() {
	}
	b.asks.Add(1)
	if b.silent.Load() {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		return
	}
	_, _ = io.WriteString(w, `{}`)
}

func prepareStorm(t *Trial, fail string) (wstest.Options, func(*Trial, *site), error) {
	b := &hookBackend{}
	server := httptest.NewUnstartedServer(b)
	server.Config.IdleTimeout = time.Second // connections are files of the gateway
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	o := wstest.Options{Flags: []string{"--connect-url", server.URL, "--connect-fail", fail, "--connect-timeout", "1s", "--ping-interval", "0"}}
	return o, func(t *Trial, s *site) { storm(t, s, b, fail == "open", fromEnv("STRESS_CONNS", 19_000)) }, nil
}

// hookResults reads how often connect-url has decided something.
func hookResults(s *site, result string) int {
	return int(s.Metrics()[`castgate_connect_hook_total{result="`+result+`"}`])
}

// storm has clients come at once while the backend says nothing. Each is decided on after
// two time-outs at the latest, and counted once; then the backend is there again.
func storm(t *Trial, s *site, b *hookBackend, open bool, n int) {
	undecided := func() int { return hookResults(s, "failed") + hookResults(s, "late") + hookResults(s, "busy") }
	accepted, before, memory := hookResults(s, "accepted"), undecided(), wstest.PSSAnon(t, s.PID())
	asked, failed := b.asks.Load(), hookResults(s, "failed")
	b.silent.Store(true)
	b.most.Store(0)
	want, result := http.StatusServiceUnavailable, handshakes("hook_failed")
	if open {
		want, result = http.StatusSwitchingProtocols, handshakesOK
	}
	s.expect(result, n)
	t.within(func(t *Trial) {
		var others atomic.Int64
		crowd := make([]*wstest.Raw, n)
		wstest.Parallel(n, 64, func(i int) {
			c, err := s.TryDialRaw(t)
			if err == nil {
				_, err = c.Write([]byte(wstest.Handshake))
			}
			if err != nil {
				t.Errorf("connection %d of %d: %v", i, n, err)
				return
			}
			crowd[i] = c
		})
		most := wstest.PSSAnon(t, s.PID())
		wstest.Parallel(n, 64, func(i int) {
			if crowd[i] == nil {
				return
			}
			if status, err := crowd[i].Answer(); status != want || err != nil {
				others.Add(1)
			}
		})
		most = max(most, wstest.PSSAnon(t, s.PID()))
		t.Equal("connections that were answered otherwise", int(others.Load()), 0)
		t.Equal("connections that nobody has decided on", undecided()-before, n)
		t.Equal("connections that the backend let in", hookResults(s, "accepted")-accepted, 0)
		t.Equal("requests to the backend, as were not answered", int(b.asks.Load()-asked), hookResults(s, "failed")-failed)
		// The gateway may begin the next request before the backend learns that one is over.
		t.Check(int(b.most.Load()) <= 2*stormRequests, "the backend had %d requests at once, want at most %d", b.most.Load(), 2*stormRequests)
		t.Check(wstest.RaceEnabled || most < memory+stormMemory, "%d MiB of memory, %d before", most>>20, memory>>20)
		t.Figure("%d connections: %d MiB of memory at most, %d before; %d were asked about", n, most>>20, memory>>20, b.asks.Load()-asked)
	})
	b.silent.Store(false)
	s.tells = true // connections to the backend come and go
	t.within(func(t *Trial) { s.crowd(t, 100) })
	t.Equal("clients that the backend has let in", hookResults(s, "accepted")-accepted, 100)
}

// stormMemory is what 19,000 sockets may take, including at most 32 MiB of requests that
// wait for a decision.
const stormMemory = 64 << 20
