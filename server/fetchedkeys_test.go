package server

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"castgate/server/keyset"
)

// login is an issuer that publishes its keys and signs with the newest.
type login struct {
	*httptest.Server
	asked atomic.Int64

	mu     sync.Mutex
	name   string // of the newest
	key    ed25519.PrivateKey
	public []map[string]string
	down   bool
	hold   chan struct{} // an answer waits for it
}

func newLogin(t *testing.T) *login {
	i := &login{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		i.mu.Lock()
		down, hold := i.down, i.hold
		text, _ := json.Marshal(map[string]any{"keys": i.public})
		i.mu.Unlock()
		if hold != nil {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(text)
	}))
	t.Cleanup(i.Close)
	return i
}

// rotate makes a new key the only one.
func (i *login) rotate(name string) {
	public, key, _ := ed25519.GenerateKey(rand.Reader)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.name, i.key = name, key
	i.public = []map[string]string{{"kty": "OKP", "crv": "Ed25519", "kid": name, "x": base64.RawURLEncoding.EncodeToString(public)}}
}

func (i *login) change(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

// token is one of the newest key, or says that it is of another.
func (i *login) token(t *testing.T, kid string) string {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	tok := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": "ann"})
	if tok.Header["kid"] = i.name; kid != "" {
		tok.Header["kid"] = kid
	}
	text, err := tok.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// answer is all that a handshake with a token is answered, up to the init
// message.
func (s *testServer) answer(tok string) string {
	s.t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: Y2FzdGdhdGUgcmVhZG1lIQ==\r\nSec-WebSocket-Protocol: castgate, bearer."+tok+"\r\n\r\n")
	if err != nil {
		s.t.Fatal(err)
	}
	in := bufio.NewReader(c)
	line, err := in.ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	if strings.HasPrefix(line, "HTTP/1.1 101") {
		return "welcome"
	}
	rest, _ := io.ReadAll(in)
	return strings.TrimSpace(line) + " " + string(rest)
}

func startOnKeys(t *testing.T, i *login) (*testServer, *stoppedClock) {
	return startOnClock(t, func(c *Config) {
		c.JWT = JWT{JWKS: i.URL, JWKSRefresh: time.Hour, Required: true}
	})
}

// Keys are fetched when the server starts; a token of a key that is new has them
// fetched again and gets in, and tokens of keys that nobody has make no more
// than a fetch in AskGap.
func TestKeysByURL(t *testing.T) {
	i := newLogin(t)
	i.rotate("first")
	s, clock := startOnKeys(t, i)
	if got := s.answer(i.token(t, "")); got != "welcome" {
		t.Fatalf("at the start: %s", got)
	}
	old := i.token(t, "")
	i.rotate("second")
	clock.advance(keyset.AskGap)
	if got := s.answer(i.token(t, "")); got != "welcome" {
		t.Errorf("after a rotation: %s", got)
	}
	if n := i.asked.Load(); n != 2 {
		t.Errorf("%d fetches", n)
	}
	for _, tok := range []string{old, i.token(t, "third"), i.token(t, "fourth")} {
		for range 20 {
			if got := s.answer(tok); !strings.HasPrefix(got, "HTTP/1.1 401 ") || !strings.Contains(got, "[token_unknown_key]") {
				t.Fatalf("an unknown key: %s", got)
			}
		}
	}
	st := s.stats()
	if n := i.asked.Load(); n != 2 || st.TokensRefused["token_unknown_key"] != 60 || st.KeysFetched == nil || st.KeysFetched.Fetched != 2 || st.KeysFetched.Keys != 1 {
		t.Errorf("%d fetches, %v, %+v", n, st.TokensRefused, st.KeysFetched)
	}
	// One that fails leaves the keys that there are.
	i.change(func() { i.down = true })
	clock.advance(keyset.AskGap)
	if got := s.answer(i.token(t, "fifth")); !strings.Contains(got, "[token_unknown_key]") {
		t.Errorf("while the issuer is down: %s", got)
	}
	if got := s.answer(i.token(t, "")); got != "welcome" || i.asked.Load() != 3 {
		t.Errorf("by the old key while the issuer is down: %s; %d fetches", got, i.asked.Load())
	}
}

// While no key has come tokens are told to come again; those that come during a
// fetch wait for it, and others are served meanwhile.
func TestKeysThatHaveNotCome(t *testing.T) {
	i := newLogin(t)
	i.rotate("first")
	hold := make(chan struct{})
	i.hold = hold
	s, _ := startOnKeys(t, i)
	eventually(t, "the fetch to begin", func() bool { return i.asked.Load() == 1 })
	answers := make(chan string, 5)
	good := i.token(t, "")
	for range cap(answers) {
		go func() { answers <- s.answer(good) }()
	}
	eventually(t, "the tokens to wait", func() bool { return s.stats().Sockets == cap(answers) })
	if got := s.answer("x"); !strings.Contains(got, "[token_malformed]") {
		t.Errorf("another client meanwhile: %s", got)
	}
	close(hold)
	for range cap(answers) {
		if got := <-answers; got != "welcome" {
			t.Errorf("after the fetch: %s", got)
		}
	}
	down := newLogin(t)
	down.rotate("first")
	down.down = true
	s, _ = startOnKeys(t, down)
	eventually(t, "a fetch to fail", func() bool { return s.stats().KeysFetched.Failed == 1 })
	if got := s.answer(down.token(t, "")); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "Retry-After: ") || !strings.Contains(got, "[token_no_keys]") {
		t.Errorf("without keys: %s", got)
	}
}

// A policy with another URL has other keys; one with the same has the same, and
// fetches none anew.
func TestKeysAfterSetPolicy(t *testing.T) {
	one, two := newLogin(t), newLogin(t)
	one.rotate("a")
	two.rotate("b")
	s, _ := startOnKeys(t, one)
	if got := s.answer(one.token(t, "")); got != "welcome" {
		t.Fatal(got)
	}
	policy := s.policy.Load().Policy
	policy.MaxConnsPerIP = 1000
	if err := s.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	if got := s.answer(one.token(t, "")); got != "welcome" || one.asked.Load() != 1 {
		t.Errorf("under the same URL: %s, %d fetches", got, one.asked.Load())
	}
	policy.JWT.JWKSRefresh = 2 * time.Hour
	one.change(func() { one.down = true })
	if err := s.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a fetch under the new refresh", func() bool { return one.asked.Load() == 2 })
	if got := s.answer(one.token(t, "")); got != "welcome" {
		t.Errorf("its keys are gone: %s", got)
	}
	policy.JWT.JWKS = two.URL
	if err := s.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	if got := s.answer(two.token(t, "")); got != "welcome" {
		t.Errorf("under another URL: %s", got)
	}
	if got := s.answer(one.token(t, "")); !strings.Contains(got, "[token_unknown_key]") {
		t.Errorf("the keys of the old one: %s", got)
	}
	if st := s.stats().KeysFetched; st.Fetched != 2 || st.Failed == 0 {
		t.Errorf("%+v", st)
	}
	policy.JWT = JWT{}
	if err := s.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stats(context.Background()); err != nil || s.stats().KeysFetched != nil {
		t.Errorf("%+v", s.stats().KeysFetched)
	}
}

func TestWrongKeySettings(t *testing.T) {
	for want, j := range map[string]JWT{
		"jwt-jwks: it is fetched without TLS": {JWKS: "http://login.example/jwks", JWKSRefresh: time.Hour},
		"jwt-jwks-refresh: 1s is not between": {JWKS: "https://login.example/jwks", JWKSRefresh: time.Second},
		"jwt-jwks-refresh: has no effect":     {JWKSRefresh: time.Minute},
	} {
		if err := j.validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", j, err, want)
		}
	}
}
