package admin

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"path"
	"strings"

	"castgate/server/control/access"
)

// docsPath is where the reference of the control API is. It is a page of its own, since
// its viewer is ten times as large as the page.
const docsPath = "/docs"

// built is the bundled page, or nothing but a note that it is not built.
//
//go:embed all:built
var builtFiles embed.FS

// pages are the files of the page by their path, as / and /app.js.
type pages map[string]file

// file is a file of the page. Large ones are kept as the browser is sent them, by gzip.
type file struct {
	text    []byte
	kind    string // media type
	gzipped bool
}

var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

func newPages() pages {
	p := pages{}
	_ = fs.WalkDir(builtFiles, "built", func(name string, d fs.DirEntry, err error) error {
		plain, gzipped := strings.CutSuffix(name, ".gz")
		kind := mediaTypes[path.Ext(plain)]
		if err != nil || d.IsDir() || kind == "" {
			return err
		}
		text, err := builtFiles.ReadFile(name)
		at := strings.TrimPrefix(plain, "built")
		if page, ok := strings.CutSuffix(at, ".html"); ok {
			at = strings.TrimSuffix(page, "index")
		}
		p[at] = file{text, kind, gzipped}
		return err
	})
	return p
}

// built tells whether the page is there.
func (p pages) built() bool { return p["/"].text != nil }

// Licenses are the licences of what is bundled into the page; "" without a page.
func Licenses() string {
	text, _ := builtFiles.ReadFile("built/licenses.txt")
	return string(text)
}

// notBuilt is the page where there is none.
const notBuilt = `<!doctype html><html lang="en"><title>castgate</title>
<h1>The admin page is not in this program</h1>
<p>castgate was built without npm. Build it with <code>make build</code>, which needs Node.js and npm,
or install a package, which has the page.</p>
<p>Everything else works: see <code>castgate top</code> and <code>castgate tail</code>.</p></html>`

// page serves the files of the page.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	if !s.pages.built() && (r.URL.Path == "/" || r.URL.Path == docsPath) {
		w.Header().Set("Content-Type", mediaTypes[".html"])
		_, _ = fmt.Fprint(w, notBuilt)
		return
	}
	f, ok := s.pages[r.URL.Path]
	if !ok {
		s.fail(w, r, refused(http.StatusNotFound, "not_found", "there is no "+html.EscapeString(r.URL.Path)))
		return
	}
	w.Header().Set("Content-Type", f.kind)
	switch {
	case !f.gzipped:
		_, _ = w.Write(f.text)
	case strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"):
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(f.text)
	default:
		plain, err := gzip.NewReader(bytes.NewReader(f.text))
		if err == nil {
			_, err = io.Copy(w, plain)
		}
		if err != nil {
			s.log.Debug("admin port", "path", r.URL.Path, "error", err)
		}
	}
}

// document serves GET /docs/openapi.json, which needs no key, as at the control port.
func (s *Server) document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.config.Document)
}

// policy is the Content-Security-Policy: everything from here, and WebSockets to the
// listeners for clients, for the page's own client. Nothing inline, no eval. The viewer of
// the documents has pictures in its style sheet, and makes markup of text, which it cleans.
func (s *Server) policy(r *http.Request) string {
	const everywhere = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
	if r.URL.Path == docsPath {
		return everywhere + "img-src 'self' data:; connect-src 'self'"
	}
	connect := "'self'"
	for _, c := range s.clientURLs(r) {
		connect += " " + strings.TrimSuffix(c, "/")
	}
	return everywhere + "img-src 'self'; connect-src " + connect + "; require-trusted-types-for 'script'; trusted-types 'none'"
}

// clientURLs are where the browser of a request finds the listeners for clients that
// speak WebSocket.
func (s *Server) clientURLs(r *http.Request) (urls []string) {
	here, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		here = strings.Trim(r.Host, "[]")
	}
	if !plainHost(here) {
		return nil
	}
	for _, c := range s.config.Clients {
		scheme, address, _ := strings.Cut(c, "://")
		host, port, err := net.SplitHostPort(address)
		if err != nil || scheme != "ws" && scheme != "wss" {
			continue
		}
		if ip, err := netip.ParseAddr(host); err != nil || ip.IsUnspecified() {
			host = here
		}
		urls = append(urls, scheme+"://"+net.JoinHostPort(host, port)+"/")
	}
	return urls
}

// plainHost tells whether a host may stand in a policy: nothing in it ends a source.
func plainHost(host string) bool {
	return host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(".-:_", r)
	})
}

// answerSession tells the page who it is and where things are.
func (s *Server) answerSession(w http.ResponseWriter, r *http.Request, key *access.Key) error {
	return writeJSON(w, map[string]any{
		"key": key.Name, "scopes": strings.Split(key.Scopes.String(), ","), "keyless": s.config.Access().Keys() == 0,
		"version": s.config.Version, "instance": s.instance, "clients": s.clientURLs(r), "control": s.config.Control,
		"cluster": s.cluster != nil, "events": s.config.Backlog != nil,
	})
}
