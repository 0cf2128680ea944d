package admission

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
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

// startOnKeys is a Control that requires tokens of an issuer.
func startOnKeys(t *testing.T, i *login) *rig {
	r := newRig(t, Policy{JWT: JWT{JWKS: i.URL, JWKSRefresh: time.Hour, Required: true}})
	r.Run()
	t.Cleanup(r.End)
	return r
}

// Keys are fetched at the start. A token with a new key has them fetched again, and is
// accepted; tokens with keys that nobody has cause at most one fetch in AskGap.
func TestKeysByURL(t *testing.T) {
	i := newLogin(t)
	i.rotate("first")
	s := startOnKeys(t, i)
	if got := s.answer(i.token(t, "")); got != "ann" {
		t.Fatalf("at the start: %s", got)
	}
	old := i.token(t, "")
	i.rotate("second")
	s.advance(keyset.AskGap)
	if got := s.answer(i.token(t, "")); got != "ann" {
		t.Errorf("after a rotation: %s", got)
	}
	if n := i.asked.Load(); n != 2 {
		t.Errorf("%d fetches", n)
	}
	for _, tok := range []string{old, i.token(t, "third"), i.token(t, "fourth")} {
		for range 20 {
			if got := s.answer(tok); got != "token_unknown_key" {
				t.Fatalf("an unknown key: %s", got)
			}
		}
	}
	st, on := s.Keys()
	if n := i.asked.Load(); n != 2 || !on || st.Fetched != 2 || st.Keys != 1 {
		t.Errorf("%d fetches, %v, %+v", n, on, st)
	}
	// A fetch that fails leaves the keys as they are.
	i.change(func() { i.down = true })
	s.advance(keyset.AskGap)
	if got := s.answer(i.token(t, "fifth")); got != "token_unknown_key" {
		t.Errorf("while the issuer is down: %s", got)
	}
	if got := s.answer(i.token(t, "")); got != "ann" || i.asked.Load() != 3 {
		t.Errorf("by the old key while the issuer is down: %s; %d fetches", got, i.asked.Load())
	}
}

// Before the first keys have come, tokens are refused for now; those that come during a
// fetch wait for it, and other tokens are checked meanwhile.
func TestKeysThatHaveNotCome(t *testing.T) {
	i := newLogin(t)
	i.rotate("first")
	hold := make(chan struct{})
	i.hold = hold
	s := startOnKeys(t, i)
	await(t, "the fetch to begin", func() bool { return i.asked.Load() == 1 })
	answers := make(chan string, 5)
	good := i.token(t, "")
	for range cap(answers) {
		go func() { answers <- s.answer(good) }()
	}
	await(t, "the tokens to wait", func() bool { return s.asked.Load() == int64(cap(answers)) && s.idle() })
	if got := s.answer("x"); got != "token_malformed" {
		t.Errorf("another client meanwhile: %s", got)
	}
	close(hold)
	for range cap(answers) {
		if got := <-answers; got != "ann" {
			t.Errorf("after the fetch: %s", got)
		}
	}
	down := newLogin(t)
	down.rotate("first")
	down.down = true
	s = startOnKeys(t, down)
	await(t, "a fetch to fail", func() bool { st, _ := s.Keys(); return st.Failed == 1 })
	if got := s.answer(down.token(t, "")); got != "token_no_keys" {
		t.Errorf("without keys: %s", got)
	}
}

// A policy with another URL has other keys. One with the same URL has the same keys, and
// does not fetch them again.
func TestKeysAfterSet(t *testing.T) {
	one, two := newLogin(t), newLogin(t)
	one.rotate("a")
	two.rotate("b")
	s := startOnKeys(t, one)
	if got := s.answer(one.token(t, "")); got != "ann" {
		t.Fatal(got)
	}
	policy := *s.Rules().Policy()
	policy.MaxConnsPerIP = 1000
	if _, err := s.Set(policy); err != nil {
		t.Fatal(err)
	}
	if got := s.answer(one.token(t, "")); got != "ann" || one.asked.Load() != 1 {
		t.Errorf("under the same URL: %s, %d fetches", got, one.asked.Load())
	}
	policy.JWT.JWKSRefresh = 2 * time.Hour
	one.change(func() { one.down = true })
	if _, err := s.Set(policy); err != nil {
		t.Fatal(err)
	}
	await(t, "a fetch under the new refresh", func() bool { st, _ := s.Keys(); return one.asked.Load() == 2 && st.Failed > 0 })
	if got := s.answer(one.token(t, "")); got != "ann" {
		t.Errorf("its keys are gone: %s", got)
	}
	policy.JWT.JWKS = two.URL
	if _, err := s.Set(policy); err != nil {
		t.Fatal(err)
	}
	if got := s.answer(two.token(t, "")); got != "ann" {
		t.Errorf("under another URL: %s", got)
	}
	if got := s.answer(one.token(t, "")); got != "token_unknown_key" {
		t.Errorf("the keys of the old one: %s", got)
	}
	if st, _ := s.Keys(); st.Fetched != 2 || st.Failed == 0 {
		t.Errorf("%+v", st)
	}
	policy.JWT = JWT{}
	if _, err := s.Set(policy); err != nil {
		t.Fatal(err)
	}
	if st, on := s.Keys(); on || st.Fetched != 2 {
		t.Errorf("%v, %+v", on, st)
	}
}
