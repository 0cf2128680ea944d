package natslink

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain for", what)
		}
	}
}

// station is a link and what it has received.
type station struct {
	*Link
	mu  sync.Mutex
	got []string
	log bytes.Buffer
}

func (s *station) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

func (s *station) said(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.log.String(), text)
}

func (s *station) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.got {
		if m == text {
			return true
		}
	}
	return false
}

func open(t *testing.T, c Config) *station {
	t.Helper()
	s := &station{}
	if c.Name == "" {
		c.Name = "test"
	}
	c.Logger = slog.New(slog.NewTextHandler(s, nil))
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	s.Link = l
	l.Receive(func(m []byte) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, string(m))
	})
	return s
}

// reaches sends until a message arrives: interest takes its time to spread.
func (s *station) reaches(t *testing.T, to *station) {
	t.Helper()
	text := fmt.Sprintf("from %d to %d", s.config.Node, to.config.Node)
	await(t, text, func() bool {
		_ = s.Send(to.config.Node, []byte(text))
		return to.has(text)
	})
}

func embedded(t *testing.T, node uint16, secret string, peers ...*station) *station {
	t.Helper()
	c := Config{Node: node, Listen: "127.0.0.1:0", RouteSecrets: []string{secret}}
	for _, p := range peers {
		c.Peers = append(c.Peers, p.Address().String())
	}
	return open(t, c)
}

// Three processes with embedded servers reach each other, all at once too.
func TestEmbedded(t *testing.T) {
	one := embedded(t, 1, "s")
	two := embedded(t, 2, "s", one)
	three := embedded(t, 3, "s", one, two)
	all := []*station{one, two, three}
	for _, a := range all {
		for _, b := range all {
			if a != b {
				a.reaches(t, b)
			}
		}
	}
	if err := two.SendAll([]byte("to all")); err != nil {
		t.Fatal(err)
	}
	await(t, "a message to all", func() bool { return one.has("to all") && three.has("to all") })
	if two.has("to all") {
		t.Error("it came back to its sender")
	}
	if one.Limit() != maxPayload {
		t.Errorf("the largest message has %d bytes", one.Limit())
	}
	large := bytes.Repeat([]byte("x"), 2<<20)
	if err := one.Send(3, large); err != nil {
		t.Fatal(err)
	}
	await(t, "a large message", func() bool { return three.has(string(large)) })
}

// Who does not know the secret does not come in; who is changing it does.
func TestRouteSecrets(t *testing.T) {
	one := open(t, Config{Node: 1, Listen: "127.0.0.1:0", RouteSecrets: []string{"old", "new"}})
	stranger := embedded(t, 3, "wrong", one)
	two := embedded(t, 2, "new", one)
	two.reaches(t, one)
	one.reaches(t, two)
	await(t, "a refusal", func() bool { return stranger.said("Authorization Violation") || one.said("Authorization") })
	if stranger.said("Route Error") && !stranger.said("the node there has another secret") {
		t.Error("the refusal is not explained")
	}
	if stranger.Routes() != 0 {
		t.Error("a stranger is connected")
	}
}

// external runs a NATS that is there already.
func external(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.NoSigs, o.NoLog = "127.0.0.1", true, true
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS does not start")
	}
	t.Cleanup(s.Shutdown)
	return s
}

// NATS that is away at the start is joined later; what is sent while it is away fails,
// and never arrives.
func TestNATSAway(t *testing.T) {
	first := external(t, &server.Options{})
	url := first.ClientURL()
	var port int
	_, _ = fmt.Sscanf(url[strings.LastIndexByte(url, ':')+1:], "%d", &port)
	first.Shutdown()
	first.WaitForShutdown()

	one, two := open(t, Config{Node: 1, URLs: []string{url}}), open(t, Config{Node: 2, URLs: []string{url}})
	if one.Up() || !one.said("NATS is unreachable") {
		t.Errorf("up %v, said %s", one.Up(), one.log.String())
	}
	if one.Send(2, []byte("early")) == nil {
		t.Error("a message was taken without NATS")
	}
	again := external(t, &server.Options{Port: port})
	await(t, "NATS", func() bool { return one.Up() && two.Up() })
	one.reaches(t, two)

	again.Shutdown()
	again.WaitForShutdown()
	await(t, "the end of NATS", func() bool { return !one.Up() })
	if one.Send(2, []byte("late")) == nil {
		t.Error("a message was taken without NATS")
	}
	external(t, &server.Options{Port: port})
	await(t, "NATS", func() bool { return one.Up() && two.Up() })
	one.reaches(t, two)
	if two.has("early") || two.has("late") {
		t.Error("a message arrived late")
	}
}

// A node logs in with an nkey; with another one it stays outside and says so.
func TestNKey(t *testing.T) {
	seed := func() (file, public string) {
		k, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := k.Seed()
		public, _ = k.PublicKey()
		file = filepath.Join(t.TempDir(), "seed")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file, public
	}
	good, public := seed()
	wrong, _ := seed()
	s := external(t, &server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}})
	one := open(t, Config{Node: 1, URLs: []string{s.ClientURL()}, NKey: good})
	two := open(t, Config{Node: 2, URLs: []string{s.ClientURL()}, NKey: good})
	stranger := open(t, Config{Node: 3, URLs: []string{s.ClientURL()}, NKey: wrong})
	one.reaches(t, two)
	if stranger.Up() || !stranger.said("NATS is unreachable") {
		t.Errorf("up %v with a wrong key: %s", stranger.Up(), stranger.log.String())
	}
}

// Without room for what waits, messages are refused and counted; Send never blocks.
func TestFull(t *testing.T) {
	s := external(t, &server.Options{})
	one := open(t, Config{Node: 1, URLs: []string{s.ClientURL()}})
	await(t, "NATS", one.Up)
	one.waiting.Add(queueBytes) // as if so much waited
	if one.Send(2, []byte("x")) == nil {
		t.Error("a message was taken without room")
	}
	if full, _, _ := one.Losses(); full != 1 {
		t.Errorf("%d messages without room counted", full)
	}
	one.waiting.Add(-queueBytes)
}

// A link whose receiver is stuck drops what has no room, counts it and says so; what
// comes later arrives.
func TestSlowConsumer(t *testing.T) {
	s := external(t, &server.Options{})
	one, two := open(t, Config{Node: 1, URLs: []string{s.ClientURL()}}), open(t, Config{Node: 2, URLs: []string{s.ClientURL()}})
	one.reaches(t, two)
	two.mu.Lock() // its receiver waits
	dropped := func() uint64 { _, _, n := two.Losses(); return n }
	await(t, "a loss", func() bool {
		for range 1000 {
			_ = one.Send(2, []byte("flood"))
		}
		return dropped() > 0
	})
	two.mu.Unlock()
	await(t, "a warning", func() bool { return two.said("did not process them in time") })
	one.reaches(t, two)
}

// A file of credentials that is not there, or is something else, is an error at the
// start, not a NATS that is away.
func TestCredentialsAreLookedAt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "creds")
	c := Config{Name: "test", Node: 1, URLs: []string{"nats://127.0.0.1:1"}, Creds: file}
	for _, text := range []string{"", "something else"} {
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if l, err := Open(c); err == nil || !strings.Contains(err.Error(), "credentials") {
			t.Errorf("with %q: %v", text, err)
			if err == nil {
				l.Close()
			}
		}
	}
}
