package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"sync"
	"time"

	"castgate/server/control/access"
)

// Limits of sessions.
const (
	mostSessions = 256            // the oldest ends for one more
	sessionTime  = 12 * time.Hour // after the login
	tokenBytes   = 32
)

// session is a login. The key may be revoked at any time, so it is looked up with each
// request.
type session struct {
	keyless bool // the control API had no keys
	key     [sha256.Size]byte
	until   time.Time
}

// sessions are the logins, by the hash of their cookies' values: what is in memory opens
// nothing. A cookie of another process is none of them.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]session
}

func newSessions() sessions { return sessions{all: map[[sha256.Size]byte]session{}} }

// begin makes a session and returns its cookie's value.
func (s *sessions) begin(one session) (value string) {
	var random [tokenBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	value = base64.RawURLEncoding.EncodeToString(random[:])
	now := time.Now()
	one.until = now.Add(sessionTime)
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest [sha256.Size]byte
	first := one.until
	for id, other := range s.all {
		if other.until.Before(now) {
			delete(s.all, id)
		} else if other.until.Before(first) {
			oldest, first = id, other.until
		}
	}
	if len(s.all) >= mostSessions {
		delete(s.all, oldest)
	}
	s.all[sha256.Sum256([]byte(value))] = one
	return value
}

// of returns the session of a cookie's value.
func (s *sessions) of(value string) (one session, ok bool) {
	id := sha256.Sum256([]byte(value))
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok = s.all[id]
	return one, ok && time.Now().Before(one.until)
}

// len is how many have not ended, or have not been looked at since.
func (s *sessions) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// end ends the session of a cookie's value.
func (s *sessions) end(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(value)))
}

// cookieName is that of this port: cookies do not tell ports of a host apart, and
// another gateway may be next to this one.
func (s *Server) cookieName() string {
	name := "castgate-admin"
	if tcp, ok := s.Addr().(*net.TCPAddr); ok {
		name = cookieOf(tcp.Port)
	}
	if s.config.TLSCert != "" {
		return "__Host-" + name
	}
	return name
}

// setCookie has the browser keep a session's value; "" has it forget it.
func (s *Server) setCookie(w http.ResponseWriter, value string) {
	c := http.Cookie{
		Name: s.cookieName(), Value: value, Path: "/", MaxAge: int(sessionTime.Seconds()),
		HttpOnly: true, Secure: s.config.TLSCert != "", SameSite: http.SameSiteStrictMode,
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, &c)
}

// caller returns the key of who makes a request: that of a session, or of a program that
// sends one, as to the control API. byKey tells which. The error is an answer.
func (s *Server) caller(r *http.Request) (key *access.Key, byKey bool, err error) {
	checker := s.config.Access()
	if hasKey(r) && checker.Keys() > 0 {
		key, err := checker.Check(header{Request: r}, s.local)
		if err != nil {
			return nil, true, s.gate.answer(r.RemoteAddr)
		}
		return key, true, nil
	}
	if checker.Keys() == 0 {
		if key, err = checker.Check(header{Request: r, sameOrigin: true}, s.local); err != nil {
			return nil, false, refused(http.StatusForbidden, access.CodeBrowser, err.Error())
		}
	}
	cookie, err := r.Cookie(s.cookieName())
	if err != nil {
		return nil, false, errLoggedOut
	}
	one, ok := s.sessions.of(cookie.Value)
	switch {
	case !ok || one.keyless != (checker.Keys() == 0):
		return nil, false, errLoggedOut
	case one.keyless:
		return key, false, nil
	}
	if key = checker.Holder(one.key); key == nil {
		return nil, false, errLoggedOut
	}
	return key, false, nil
}
