package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"castgate/server/control/access"
)

// call is a request of the API of the page, and who makes it.
type call struct {
	*http.Request
	key *access.Key
}

// view serves a request that changes nothing; act one that does.
type view func(w http.ResponseWriter, c *call) error

// routes are the page and its API.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", s.page)
	mux.HandleFunc("GET "+docsPath+"/openapi.json", s.document)
	mux.HandleFunc("POST /api/login", s.timed(s.change(s.login)))
	mux.HandleFunc("POST /api/logout", s.timed(s.change(s.logout)))
	mux.HandleFunc("GET /api/tail", s.view(s.tail))
	for pattern, v := range map[string]view{
		"GET /api/session":  func(w http.ResponseWriter, c *call) error { return s.answerSession(w, c.Request, c.key) },
		"GET /api/overview": s.overview,
		"GET /api/search":   s.search,
		"GET /api/client":   s.client,
		"GET /api/explain":  s.explain,
	} {
		mux.HandleFunc(pattern, s.timed(s.view(v)))
	}
	for path, a := range actions {
		mux.HandleFunc("POST /api/"+path, s.timed(s.change(func(w http.ResponseWriter, r *http.Request) error {
			c, err := s.known(r)
			if err != nil {
				return err
			}
			return s.act(w, c, path, a)
		})))
	}
	return s.guarded(mux)
}

// guarded adds what every answer has, and survives defects.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", s.policy(r))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		defer func() {
			p := recover()
			if p == nil || p == http.ErrAbortHandler {
				return
			}
			s.log.Error("defect in the admin port", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.fail(w, r, refused(http.StatusInternalServerError, "internal", "internal error; see the gateway's log"))
		}()
		r.Body = http.MaxBytesReader(w, r.Body, bodySize)
		next.ServeHTTP(w, r)
	})
}

// fail answers with an error, and audits who is refused.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if refusal := p.status == http.StatusForbidden || p.status == http.StatusTooManyRequests || p.Code == access.CodeUnauthorized; refusal && s.audit.On() {
		s.audit.Refused("-", from(r), slog.String("code", p.Code), slog.String("via", "admin"), slog.String("path", r.URL.Path))
	}
	if p == errTooManyLogins {
		w.Header().Set("Retry-After", "5")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.status)
	_ = writeJSON(w, p)
}

// known finds who makes a request.
func (s *Server) known(r *http.Request) (*call, error) {
	key, _, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	if key.Scopes&viewScopes == 0 {
		return nil, refused(http.StatusForbidden, "forbidden", "the key "+key.Name+" has the scope "+key.Scopes.String()+"; the page needs read or manage")
	}
	return &call{r, key}, nil
}

// view serves what changes nothing.
func (s *Server) view(v view) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := s.known(r)
		if err == nil {
			err = v(w, c)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	}
}

// change serves what changes something: only for pages of this port, as their browser
// says, or for programs that bring a key.
func (s *Server) change(do func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := s.sameOrigin(r)
		if err == nil {
			err = do(w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	}
}

var (
	errForeign  = refused(http.StatusForbidden, access.CodeBrowser, "the request comes from a page of another origin")
	errNoOrigin = refused(http.StatusForbidden, access.CodeBrowser, "the request has no Origin header: a page's browser sends one, a program sends a key instead, as Authorization: Bearer <key>")
)

// sameOrigin refuses requests that a page of another origin may have caused. Browsers
// send Origin with each change and each WebSocket; a program without it brings its key.
func (s *Server) sameOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	switch {
	case origin == "" && hasKey(r), origin == s.scheme()+"://"+r.Host:
		return nil
	case origin == "":
		return errNoOrigin
	}
	return errForeign
}

// ctx is the context of a call of the gateway.
func (c *call) ctx() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.Context(), requestTime)
}
