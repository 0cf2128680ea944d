package stress

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"castgate/internal/wstest"
	"castgate/stress/internal/witness"
)

var telling = []Scenario{{
	Name:    "told",
	Says:    "a backend that answers in every wrong way knows all clients from events alone, even after kill -9",
	prepare: prepareTold,
}, {
	Name:    "backlog",
	Says:    "a million events wait for a backend that is down: memory stays flat, and all arrive in order",
	prepare: prepareBacklog,
}}

// fromEnv is a number that the environment may change.
func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// gatewayThatTells sets up a witness, and the options of a gateway that sends it events.
func gatewayThatTells(t *Trial, flags ...string) (*witness.Witness, wstest.Options) {
	w := witness.New()
	server := httptest.NewUnstartedServer(w)
	server.Config.IdleTimeout = time.Second // connections are files of the gateway
	server.Start()
	t.Cleanup(func() {
		w.Be(witness.Good) // a kept request would delay the end
		server.CloseClientConnections()
		server.Close()
	})
	return w, wstest.Options{Flags: append([]string{
		"--events-url", server.URL, "--events-dir", filepath.Join(t.TempDir(), "events"), "--events-retry-max", "1s",
		"--events-secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "--on-message", "forward", "--ping-interval", "0",
		"--events-keep", "1s", // or the files of the queue would grow from round to round
	}, flags...)}
}

// toldClient is what is true of a client.
type toldClient struct {
	id, uid string
	bound   bool // confirmed by the gateway
	sent    int  // messages
	left    bool
}

// toldLives is how often a gateway is started in a round; all but the last are
// killed.
const toldLives = 4

func prepareTold(t *Trial) (wstest.Options, func(*Trial, *site), error) {
	w, options := gatewayThatTells(t, "--events", "all", "--events-timeout", "1s", "--events-linger", "5ms", "--events-offline-after", "200ms")
	return options, func(t *Trial, s *site) { tell(t, s, w, fromEnv("STRESS_CONNS", 10_000)) }, nil
}

// tell has clients connect, bind, send and leave while the witness changes its mood
// and the gateway is killed, and then compares what the witness knows with the truth.
func tell(t *Trial, s *site, w *witness.Witness, clients int) {
	over, moody := make(chan struct{}), sync.WaitGroup{}
	moody.Go(func() { moods(w, over) })
	lives, segments := make([][]*toldClient, toldLives), s.segments()
	for i := range lives {
		last := i == toldLives-1
		lives[i] = liveOn(t, s, clients/toldLives, i, !last)
		if !last {
			s.Kill()
			s.Restart()
			s.settleIn()
			segments = s.segments()
		}
	}
	close(over)
	moody.Wait()
	w.Be(witness.Good)
	for i, list := range lives {
		for _, c := range list {
			compare(t, w, c, i == toldLives-1)
		}
	}
	present(t, w, lives[toldLives-1])
	sums := w.Sums()
	t.Check(sums.Wrongs == 0, "%d faults, the first %q", sums.Wrongs, w.Wrong())
	t.Equal("events lost", sums.Lost, 0)
	m := s.Metrics()
	t.Equal("events set aside", int(m["castgate_events_dead"]), 0)
	t.Equal("clients reported by the gateway", int(m["castgate_events_clients"]), sums.There)
	s.growsBy(s.segments() - segments)
}

// growsBy has the site expect that many more open files at the end, since the queue of
// events has grown. There may be fewer connections to the backend by then.
func (s *site) growsBy(files int) {
	s.start.files += files
	s.tells = true
}

// segments is how many files the queue of events has.
func (s *site) segments() int { return int(s.Metrics()["castgate_events_store_segments"]) }

// moods changes the mood a few times a second, until over is closed.
func moods(w *witness.Witness, over <-chan struct{}) {
	for {
		w.Be(witness.Mood(rand.IntN(int(witness.NumMoods))))
		select {
		case <-time.After(50*time.Millisecond + rand.N(400*time.Millisecond)):
		case <-over:
			return
		}
	}
}

// liveOn connects clients that do what clients do. With dies, the gateway is killed
// when two thirds have come.
func liveOn(t *Trial, s *site, n, life int, dies bool) []*toldClient {
	list := make([]*toldClient, n)
	var came atomic.Int64
	var once sync.Once
	wstest.Parallel(n, 32, func(i int) {
		if dies && came.Add(1) > int64(n*2/3) {
			once.Do(func() { s.Signal(syscall.SIGKILL) })
		}
		c := &toldClient{uid: fmt.Sprintf("u%d", (life*n+i)%(n/4+1))}
		list[i] = c
		if !c.act(t, s, i) && !dies {
			t.Errorf("client %d of a gateway that lives could not do what it wanted", i)
		}
	})
	if !dies {
		s.expect(handshakesOK, n)
	}
	return list
}

// act is what a client does. It returns false if the gateway has died meanwhile.
func (c *toldClient) act(t *Trial, s *site, i int) bool {
	conn, err := s.TryDialRaw(t)
	if err != nil {
		return false
	}
	if _, err := conn.Write([]byte(wstest.Handshake)); err != nil {
		return false
	}
	if status, err := conn.Answer(); err != nil || status != http.StatusSwitchingProtocols {
		return false
	}
	_, init, err := conn.Frame()
	var hello struct {
		ClientID string `json:"client_id"`
	}
	if err != nil || json.Unmarshal(init, &hello) != nil {
		return false
	}
	c.id = hello.ClientID
	if i%3 > 0 {
		status, _, err := s.TryControl("POST", "/v1/bind", wstest.M{"client_id": c.id, "uid": c.uid, "groups": []string{"g"}})
		if err != nil || status != http.StatusOK {
			return false
		}
		c.bound = true
	}
	for ; c.sent < i%4; c.sent++ {
		if _, err := conn.Write(wstest.MaskedFrame(wstest.OpText, []byte(fmt.Sprint(c.sent)))); err != nil {
			return false
		}
	}
	switch i % 6 {
	case 0:
		_, err = conn.Write(wstest.MaskedFrame(wstest.OpClose, []byte{0x03, 0xe8}))
		if _, _, ended := conn.Frame(); ended == nil { // the answer: all was read
			c.left = true
		}
	case 1, 2:
		err = conn.CloseWrite()
		if _, _, ended := conn.Frame(); ended != nil {
			c.left = true
		}
	}
	return err == nil && (c.left || i%6 > 2)
}

// compare compares the truth about a client with what the witness knows, once it
// knows it.
func compare(t *Trial, w *witness.Witness, c *toldClient, alive bool) {
	if c.id == "" {
		return // it never was a client
	}
	if !alive { // of what was said shortly before the kill, the end may be missing
		wstest.Await(t, func() string {
			if l := w.Of(c.id); l != nil && !l.Ended {
				return "the end of a client of a killed gateway was not reported: " + c.id
			}
			return ""
		})
		l := w.Of(c.id)
		t.Check(l == nil || l.Messages <= c.sent && (!l.Bound || l.UID == c.uid), "%+v is known as %+v", c, l)
		return
	}
	want := witness.Life{Connected: true, Bound: c.bound, Ended: c.left, Messages: c.sent}
	if c.bound {
		want.UID = c.uid
	}
	wstest.Await(t, func() string {
		l := w.Of(c.id)
		if l == nil {
			return "a client was not reported: " + c.id
		}
		if l.Connected != want.Connected || l.Bound != want.Bound || l.Ended != want.Ended || l.Messages != want.Messages || l.UID != want.UID {
			return fmt.Sprintf("%s is known as %+v, want %+v", c.id, l, want)
		}
		return ""
	})
	t.Check(true, "")
}

// present compares the connected clients and uids. Clients whose handshake was cut off
// by a kill are known to the witness only, and have ended.
func present(t *Trial, w *witness.Witness, alive []*toldClient) {
	there, online := 0, map[string]bool{}
	for _, c := range alive {
		if !c.left {
			there++
			if c.bound {
				online[c.uid] = true
			}
		}
	}
	var sums witness.Sums
	wstest.Await(t, func() string {
		if sums = w.Sums(); sums.There != there || sums.Online != len(online) {
			return fmt.Sprintf("%d clients are there and %d uids, want %d and %d", sums.There, sums.Online, there, len(online))
		}
		return ""
	})
	for uid := range online {
		t.Check(w.IsOnline(uid), "the uid %s is not online", uid)
	}
	t.Check(sums.Again > 0 || sums.Clients < 100, "nothing came again, so no answer was bad")
}

// backlogClients send what waits.
const backlogClients = 64

func prepareBacklog(t *Trial) (wstest.Options, func(*Trial, *site), error) {
	w, options := gatewayThatTells(t, "--events-quota", "4GiB", "--events-batch", "1000", "--max-message", "1KiB")
	return options, func(t *Trial, s *site) { backlog(t, s, w, fromEnv("STRESS_EVENTS", 1_000_000)) }, nil
}

// backlog has events wait for a witness that is away, and looks at the memory of the
// gateway on the way up and down.
func backlog(t *Trial, s *site, w *witness.Witness, events int) {
	const part = 20 // of all, after which memory is what it is with any number
	told, segments := w.Sums().Events, s.segments()
	w.Be(witness.Broken)
	crowd := s.raw(t, backlogClients)
	each := events / backlogClients
	sent := func() int { return int(s.Metrics()[`castgate_events_total{type="castgate.client.message"}`]) }
	before := sent()
	send := func(from, to int) {
		wstest.Parallel(len(crowd), len(crowd), func(i int) { sendNumbers(crowd[i].TCPConn, from, to) })
		wstest.Await(t, func() string {
			if n := sent() - before; n != to*len(crowd) {
				return fmt.Sprintf("%d of %d messages are events", n, to*len(crowd))
			}
			return ""
		})
	}
	send(0, each/part)
	few := wstest.PSSAnon(t, s.PID())
	send(each/part, each)
	all := wstest.PSSAnon(t, s.PID())
	t.Check(wstest.RaceEnabled || all < few+backlogSlack, "%d MiB of memory with %d events, %d with %d", all>>20, events, few>>20, events/part)
	w.Be(witness.Good)
	most := 0
	wstest.Await(t, func() string {
		most = max(most, wstest.PSSAnon(t, s.PID()))
		if got := w.Sums().Events - told; got < (each+1)*len(crowd) {
			return fmt.Sprintf("%d of %d events have come", got, (each+1)*len(crowd))
		}
		return ""
	})
	t.Check(wstest.RaceEnabled || most < few+backlogSlack, "%d MiB of memory while they come, %d before", most>>20, few>>20)
	sums := w.Sums()
	t.Check(sums.Wrongs == 0, "%d faults, the first %q", sums.Wrongs, w.Wrong())
	t.Equal("events lost", sums.Lost, 0)
	s.growsBy(s.segments() - segments)
}

// backlogSlack is how much memory may change with garbage that is not collected yet,
// and with the 16 lanes and the requests that are under way.
const backlogSlack = 96 << 20

// sendNumbers sends messages, many in one write.
func sendNumbers(c *net.TCPConn, from, to int) {
	const many = 200
	var b []byte
	for i := from; i < to; i++ {
		b = wstest.AppendMasked(b, 0x80|wstest.OpText, []byte(fmt.Sprint(i)))
		if i%many == many-1 || i == to-1 {
			if _, err := c.Write(b); err != nil {
				return // the number of events says so
			}
			b = b[:0]
		}
	}
}
