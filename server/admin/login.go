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

// Wrong keys: how many of one network, and of all, are told that they are wrong.
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
	errWrongKey      = refused(http.StatusUnauthorized, access.CodeUnauthorized, "this is not a key of the control API")
	errTooManyLogins = refused(http.StatusTooManyRequests, "too_many_logins", "this is not a key of the control API, and there were too many wrong ones; try again in a few seconds")
)

// gate counts wrong keys. A right key gets in whatever is counted: else anybody on the
// network of an operator could keep him out. So it stops nobody from guessing: what does is
// that keys are long. It tells programs with an old key to slow down.
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

// tells counts a wrong key, and reports whether its sender is told that it is wrong, not
// to wait.
func (g *gate) tells(remote string) bool {
	g.wrong.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := int64(time.Since(gateBegan))
	b := g.bucket(remote, now)
	if b.Wait(wrongOfOne, now) > 0 || g.all.Wait(wrongOfAll, now) > 0 {
		return false
	}
	if b != &g.all {
		b.Take(wrongOfOne, 1, now)
	}
	return g.all.Take(wrongOfAll, 1, now)
}

// answer counts a wrong key and returns what its sender is told.
func (g *gate) answer(remote string) *problem {
	if g.tells(remote) {
		return errWrongKey
	}
	return errTooManyLogins
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
	key, err := checker.Check(header{Request: r, key: q.Key, sameOrigin: true}, s.local)
	switch {
	case err != nil && one.keyless:
		return refused(http.StatusForbidden, access.CodeBrowser, err.Error())
	case err != nil:
		return s.gate.answer(r.RemoteAddr)
	case key.Scopes&viewScopes == 0:
		return refused(http.StatusForbidden, "forbidden", "the key "+key.Name+" has the scope "+key.Scopes.String()+"; the page needs read or manage")
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
