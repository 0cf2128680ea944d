package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"castgate/internal/wstest"
)

// pageLine is a line of e2e/testdata/pages.mjs.
type pageLine struct {
	Page     int
	At       float64 // milliseconds of the clock
	State    string
	ClientID string `json:"clientId"`
	Code     int
	Reason   string
	Delay    float64
	Error    string
	Renew    *bool
	Text     string
	JSON     any
	Binary   []int
}

// pageProcess is a process with pages that use clients/js.
type pageProcess struct {
	t   *testing.T
	cmd *exec.Cmd

	mu    sync.Mutex
	lines []pageLine
	grown chan struct{}
	next  int
}

// openPages starts n pages.
func openPages(t *testing.T, url string, n int, options M) *pageProcess {
	t.Helper()
	modules := filepath.Join(nodeTools(t), "..", "..", "package.json")
	given, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t, "node", "nodejs"), filepath.Join(wstest.Root(t), "e2e/testdata/pages.mjs"), modules, url, fmt.Sprint(n), string(given))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &pageProcess{t: t, cmd: cmd, grown: make(chan struct{})}
	var errors bytes.Buffer
	cmd.Stderr = &errors
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var line pageLine
			if json.Unmarshal(lines.Bytes(), &line) == nil {
				p.add(line)
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-read
		cmd.Wait()
		if t.Failed() {
			t.Logf("the pages' errors:\n%s", errors.String())
		}
	})
	return p
}

func (p *pageProcess) add(line pageLine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
	close(p.grown)
	p.grown = make(chan struct{})
}

// await waits for the next line that fits, skipping others.
func (p *pageProcess) await(what string, fits func(pageLine) bool) pageLine {
	p.t.Helper()
	limit := time.After(4 * wstest.Patience) // a thousand pages in one process take long on a busy machine
	for {
		p.mu.Lock()
		for p.next < len(p.lines) {
			line := p.lines[p.next]
			p.next++
			if fits(line) {
				p.mu.Unlock()
				return line
			}
		}
		grown := p.grown
		p.mu.Unlock()
		select {
		case <-grown:
		case <-limit:
			p.t.Fatalf("%s has not come; the lines so far: %+v", what, p.all())
		}
	}
}

func (p *pageProcess) state(state string) pageLine {
	p.t.Helper()
	return p.await("state "+state, func(l pageLine) bool { return l.State == state })
}

func (p *pageProcess) text(text string) {
	p.t.Helper()
	p.await("text "+text, func(l pageLine) bool { return l.Text == text })
}

func (p *pageProcess) all() []pageLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]pageLine(nil), p.lines...)
}

// pageBackend is a backend that binds pages to the uid ann, unless it is told to
// answer something else.
func pageBackend(t *testing.T, g *wstest.Gateway) (url string, answer *atomic.Pointer[http.Response]) {
	t.Helper()
	answer = new(atomic.Pointer[http.Response])
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if other := answer.Load(); other != nil {
			for name := range other.Header {
				w.Header().Set(name, other.Header.Get(name))
			}
			w.WriteHeader(other.StatusCode)
			return
		}
		var asked struct {
			ClientID string `json:"client_id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		status, _, err := g.TryControl("POST", "/v1/bind", M{"client_id": asked.ClientID, "uid": "ann"})
		if err != nil {
			status = http.StatusBadGateway
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL, answer
}

// TestPageComesBack: after kill -9 and a start, and after a drain, a page is there
// again, bound, with another id.
func TestPageComesBack(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	bind, _ := pageBackend(t, g)
	p := openPages(t, "ws://"+g.Addr+"/", 1, M{"bind": bind, "max": 2000})
	first := p.state("open")
	g.Push(wstest.To("uids", "ann"), "hello ✓")
	p.text("hello ✓")
	g.OK("POST", "/v1/push", M{"to": wstest.All(), "json": M{"n": 1}})
	p.await("JSON", func(l pageLine) bool { m, ok := l.JSON.(M); return ok && m["n"] == 1.0 })
	g.OK("POST", "/v1/push", M{"to": wstest.All(), "base64": "AP8="})
	p.await("binary", func(l pageLine) bool { return fmt.Sprint(l.Binary) == "[0 255]" })

	g.Kill()
	if l := p.state("waiting"); l.Code != 1006 || l.Delay < 500 || l.Delay > 1000 {
		t.Errorf("after kill -9: %+v", l)
	}
	g.Restart()
	second := p.state("open")
	if second.ClientID == first.ClientID {
		t.Errorf("client_id %s came back", first.ClientID)
	}
	g.Push(wstest.To("uids", "ann"), "after the kill")
	p.text("after the kill")

	if code := g.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if l := p.state("waiting"); l.Code != 1001 || l.Delay < 500 || l.Delay > 2000 {
		t.Errorf("after a drain: %+v", l)
	}
	g.Restart()
	p.state("open")
	g.Push(wstest.To("uids", "ann"), "after the drain")
	p.text("after the drain")
}

// TestPageObeys: a kick and a newer connection stop a page, a backend that refuses
// it too; one that fails does not.
func TestPageObeys(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	bind, answer := pageBackend(t, g)
	for _, code := range []int{1000, 4100} {
		p := openPages(t, "ws://"+g.Addr+"/", 1, M{"bind": bind})
		p.state("open")
		g.OK("POST", "/v1/kick", M{"all": true, "code": code, "reason": "why"})
		if l := p.state("stopped"); l.Code != code || l.Reason != "why" {
			t.Errorf("kicked with %d: %+v", code, l)
		}
	}
	p := openPages(t, "ws://"+g.Addr+"/", 1, M{"bind": bind})
	p.state("open")
	g.OK("POST", "/v1/bind", M{"client_id": g.Dial(t).ID, "uid": "ann", "exclusive": "kick_old"})
	if l := p.state("stopped"); l.Code != 4001 || l.Reason != "replaced" {
		t.Errorf("replaced: %+v", l)
	}

	answer.Store(&http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"2"}}})
	p = openPages(t, "ws://"+g.Addr+"/", 1, M{"bind": bind})
	failed := func(l pageLine) bool { return l.State == "binding" && l.Error == "503" }
	if l := p.await("a failed bind", failed); l.Delay < 2000 {
		t.Errorf("Retry-After is 2 seconds: %+v", l)
	}
	g.OK("POST", "/v1/push", M{"to": wstest.All(), "text": "before the bind"})
	answer.Store(nil)
	p.state("open")
	p.text("before the bind")

	signIn := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer signIn.Close()
	answer.Store(&http.Response{StatusCode: 302, Header: http.Header{"Location": {signIn.URL}}})
	p = openPages(t, "ws://"+g.Addr+"/", 1, M{"bind": bind})
	p.await("a failed bind", func(l pageLine) bool { return l.State == "binding" && l.Delay > 0 })
	for _, l := range p.all() {
		if l.State == "open" {
			t.Errorf("sent to a page to sign in: %+v", l)
		}
	}

	answer.Store(&http.Response{StatusCode: 401})
	p = openPages(t, "ws://"+g.Addr+"/", 1, M{"bind": bind})
	if l := p.state("stopped"); l.Error != "401" {
		t.Errorf("the backend's 401: %+v", l)
	}
}

// TestPageToken: a token that expires is renewed.
func TestPageToken(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--jwt-secret", tokenSecret, "--jwt-leeway", "0s", "--jwt-required")
	lives := 12 * time.Second // more than 5 after a slow handshake
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, signed(t, jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(lives).Unix()}))
	}))
	defer tokens.Close()
	p := openPages(t, "ws://"+g.Addr+"/", 1, M{"tokens": tokens.URL})
	p.state("open")
	if l := p.state("waiting"); l.Code != 3401 || l.Delay != 0 {
		t.Errorf("an expired token: %+v", l)
	}
	p.await("a new token", func(l pageLine) bool { return l.Renew != nil && *l.Renew })
	p.state("open")
	g.Push(wstest.To("uids", "ann"), "with a new token")
	p.text("with a new token")
}

// TestPageWhoseTimersAreHeld: a page that could not run finds out that its
// connection is gone.
func TestPageWhoseTimersAreHeld(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--ping-interval", "2s", "--ping-timeout", "3s")
	bind, _ := pageBackend(t, g)
	p := openPages(t, "ws://"+g.Addr+"/", 1, M{"bind": bind})
	p.state("open")
	p.cmd.Process.Signal(syscall.SIGSTOP)
	g.AwaitMetric("castgate_connections", 0)
	p.cmd.Process.Signal(syscall.SIGCONT)
	p.state("waiting")
	p.state("open")
	g.Push(wstest.To("uids", "ann"), "awake")
	p.text("awake")
}

// TestPageBehindNothing: a network that swallows is given up, in a handshake and when
// messages that come regularly do not come any more.
func TestPageBehindNothing(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	var swallow atomic.Bool
	swallow.Store(true)
	address := networkTo(t, g.Addr, &swallow)
	p := openPages(t, "ws://"+address+"/", 1, M{"timeout": 1500, "silence": 3000})
	if l := p.state("waiting"); l.Reason != "timeout" {
		t.Errorf("a handshake that is swallowed: %+v", l)
	}
	swallow.Store(false)
	p.state("open")
	g.OK("POST", "/v1/push", M{"to": wstest.All(), "text": "there again"})
	p.text("there again")
	swallow.Store(true)
	if l := p.state("waiting"); l.Reason != "silence" {
		t.Errorf("a connection that is swallowed: %+v", l)
	}
	swallow.Store(false)
	p.state("open")
}

// networkTo forwards connections to an address; while it swallows, it reads and
// forwards nothing, not even the end of a connection.
func networkTo(t *testing.T, address string, swallow *atomic.Bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			if swallow.Load() {
				go io.Copy(io.Discard, in)
				continue
			}
			out, err := net.Dial("tcp", address)
			if err != nil {
				in.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					if io.Copy(hole{pair[0], swallow}, pair[1]); !swallow.Load() {
						pair[0].Close()
					}
				}()
			}
		}
	}()
	return l.Addr().String()
}

// hole writes to a connection, and nowhere while it swallows.
type hole struct {
	to      io.Writer
	swallow *atomic.Bool
}

// Write implements io.Writer.
func (h hole) Write(p []byte) (int, error) {
	if h.swallow.Load() {
		return len(p), nil
	}
	return h.to.Write(p)
}
