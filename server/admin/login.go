package admin

import (
	"crypto/sha256"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/control/access"
	"castgate/server/internal/quota"
)

// viewScopes are the scopes of which a key must have one to log in.
const viewScopes = access.ScopeRead | access.ScopeManage

// Wrong keys: how many of one network, and of all, are looked at.
const (
	mostNetworks = 1024 // that are counted at once; beyond, all share one count
	wrongBurst   = 5
)

var (
	wrongOfOne = quota.NewRate(0.2, wrongBurst)
	wrongOfAll = quota.NewRate(20, 100)
)

var (
	errLoggedOut     = refused(http.StatusUnauthorized, "logged_out", "log in with a key of the control API")
	errTooManyLogins = refused(http.StatusTooManyRequests, "too_many_logins", "too many wrong keys came from your network; try again in some seconds")
)

// gate counts wrong keys. Guessing one of 256 bits is hopeless; it bounds the work and
// slows those down who try words.
type gate struct {
	mu   sync.Mutex
	all  quota.Bucket
	wait map[uint64]*quota.Bucket // by network

	wrong atomic.Uint64 // keys
}

func newGate() *gate { return &gate{wait: map[uint64]*quota.Bucket{}} }

var gateBegan = time.Now()

// bucket is where a network is counted. The caller holds mu.
func (g *gate) bucket(remote string, now int64) *quota.Bucket {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil {
		return &g.all
	}
	network := quota.Network(addr.Addr().Unmap())
	if b := g.wait[network]; b != nil {
		return b
	}
	if len(g.wait) >= mostNetworks {
		for n, b := range g.wait {
			if int64(*b) <= now {
				delete(g.wait, n)
			}
		}
		if len(g.wait) >= mostNetworks {
			return &g.all
		}
	}
	b := new(quota.Bucket)
	g.wait[network] = b
	return b
}

// lets tells whether a key of somebody is looked at.
func (g *gate) lets(remote string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := int64(time.Since(gateBegan))
	return g.bucket(remote, now).Wait(wrongOfOne, now) == 0 && g.all.Wait(wrongOfAll, now) == 0
}

// failed counts a wrong key.
func (g *gate) failed(remote string) {
	g.wrong.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := int64(time.Since(gateBegan))
	if b := g.bucket(remote, now); b != &g.all {
		b.Take(wrongOfOne, 1, now)
	}
	g.all.Take(wrongOfAll, 1, now)
}

// header is a request as access looks at it.
type header struct {
	*http.Request
	key        string // in the place of that of the request
	sameOrigin bool   // its origin was found to be ours
}

// Peek implements access.Header.
func (h header) Peek(name string) []byte {
	switch {
	case h.sameOrigin && name == "Origin":
		return nil
	case h.key != "" && name == "X-API-Key":
		return []byte(h.key)
	case h.key != "" && name == "Authorization":
		return nil
	}
	return []byte(h.Header.Get(name))
}

// Host implements access.Header.
func (h header) Host() []byte { return []byte(h.Request.Host) }

// hasKey tells whether a request brings a key of its own.
func hasKey(r *http.Request) bool {
	return r.Header.Get("X-API-Key") != "" || r.Header.Get("Authorization") != ""
}

// login serves POST /api/login: a key for a cookie.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Key string `json:"key"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	checker := s.config.Access()
	one := session{keyless: checker.Keys() == 0, key: sha256.Sum256([]byte(q.Key))}
	// The page asks so when it opens, to see whether it needs a key: that is no guess.
	if !one.keyless && q.Key == "" && !hasKey(r) {
		return errLoggedOut
	}
	if !one.keyless && !s.gate.lets(r.RemoteAddr) {
		w.Header().Set("Retry-After", "5")
		return errTooManyLogins
	}
	key, err := checker.Check(header{Request: r, key: q.Key, sameOrigin: true}, s.local)
	if err == nil && key.Scopes&viewScopes == 0 {
		err = refused(http.StatusForbidden, "forbidden", "the key "+key.Name+" has the scope "+key.Scopes.String()+"; the page needs read or manage")
	}
	if err != nil {
		if !one.keyless {
			s.gate.failed(r.RemoteAddr)
		}
		if answer, ok := err.(*problem); ok {
			return answer
		}
		if one.keyless {
			return refused(http.StatusForbidden, access.CodeBrowser, err.Error())
		}
		return refused(http.StatusUnauthorized, access.CodeUnauthorized, "this is no key of the control API")
	}
	if s.audit.On() {
		s.audit.Write(slog.LevelInfo, "admin_login", key.Name, from(r), key.Attrs()...)
	}
	s.setCookie(w, s.sessions.begin(one))
	return s.answerSession(w, r, key)
}

// logout serves POST /api/logout.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	if cookie, err := r.Cookie(s.cookieName()); err == nil {
		s.sessions.end(cookie.Value)
	}
	s.setCookie(w, "")
	return writeJSON(w, struct{}{})
}

// from is the address of a caller, for the audit log.
func from(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func cookieOf(port int) string { return "castgate-admin-" + strconv.Itoa(port) }
