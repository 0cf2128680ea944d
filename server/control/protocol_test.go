package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// post is a request to /v1/push as bytes.
func post(body string) string {
	return fmt.Sprintf("POST /v1/push HTTP/1.1\r\nHost: control\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func TestPipelining(t *testing.T) {
	p := start(t, nil)
	c, in := p.dial()
	const n = 50
	var all strings.Builder
	var want []string
	for i := range n {
		if i%10 == 3 {
			all.WriteString(post(`{"broken"`)) // is answered and stops nothing
			continue
		}
		all.WriteString(post(fmt.Sprintf(`{"to":{"all":true},"text":"%d"}`, i)))
		want = append(want, fmt.Sprintf(`push [] [] [] true but [] []: "%d" binary=false wait=false`, i))
	}
	if _, err := io.WriteString(c, all.String()); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		status, body, _ := read(t, in)
		if i%10 == 3 && status != 400 || i%10 != 3 && status != 200 {
			t.Fatalf("answer %d: %d %s", i, status, body)
		}
	}
	if got := p.fake.took(); got != strings.Join(want, "; ") {
		t.Errorf("the gateway was asked %s", got)
	}
}

// TestMalformed: what fasthttp refuses before the handler is also answered with
// a problem, and the connection ends.
func TestMalformed(t *testing.T) {
	p := start(t, func(c *Config) {
		c.ReadTimeout = 200 * time.Millisecond
		c.MaxBody = 2000
		c.Keys = []string{"secret-key"}
	})
	for _, tt := range []struct {
		name, request string
		status        int
		code, detail  string
	}{
		{"no HTTP", "hello\r\n\r\n", 400, "bad_request", ""},
		{"two lengths", "POST /v1/bind HTTP/1.1\r\nHost: c\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400, "bad_request", ""},
		{"NUL in a header", "GET /v1/stats HTTP/1.1\r\nHost: c\r\nX: \x00\r\n\r\n", 400, "bad_request", ""},
		{"large head", "GET /" + strings.Repeat("x", 17<<10) + " HTTP/1.1\r\nHost: c\r\n\r\n", 431, "header_too_large", "16384"},
		{"broken chunk", "POST /v1/bind HTTP/1.1\r\nHost: c\r\nX-API-Key: secret-key\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_request", ""},
		{"large chunks", "POST /v1/bind HTTP/1.1\r\nHost: c\r\nX-API-Key: secret-key\r\nTransfer-Encoding: chunked\r\n\r\n7d1\r\n" + strings.Repeat("x", 2001) + "\r\n0\r\n\r\n", 413, "body_too_large", "the body exceeds the limit of 2000 bytes"},
		{"large body", "POST /v1/bind HTTP/1.1\r\nHost: c\r\nX-API-Key: secret-key\r\nContent-Length: 2001\r\n\r\n" + strings.Repeat("x", 2001), 413, "body_too_large", "the body has 2001 bytes, which exceeds the limit of 2000"},
		{"large body announced", "POST /v1/bind HTTP/1.1\r\nHost: c\r\nX-API-Key: secret-key\r\nExpect: 100-continue\r\nContent-Length: 9000\r\n\r\n", 413, "body_too_large", "9000 bytes, which exceeds the limit of 2000"},
		{"slow head", "POST /v1/bind HTTP/1.1\r\nX-API-Key: secret-key\r\n", 408, "timeout", "200ms"},
		{"slow body", "POST /v1/bind HTTP/1.1\r\nHost: c\r\nX-API-Key: secret-key\r\nContent-Length: 100\r\n\r\n{", 408, "timeout", "200ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, in := p.dial()
			if _, err := io.WriteString(c, tt.request); err != nil {
				t.Fatal(err)
			}
			status, body, h := read(t, in)
			if status == 100 {
				status, body, h = read(t, in)
			}
			if d := requireProblem(t, tt.name, status, body, h.Get("Content-Type"), tt.status, tt.code); !strings.Contains(d, tt.detail) {
				t.Errorf("detail %q, want …%s…", d, tt.detail)
			}
			if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
				t.Errorf("then %q, %v; want the end", rest, err)
			}
		})
	}
	p.stop()
	if strings.Contains(p.log.String(), "secret-key") {
		t.Error("a key stands in the log")
	}
}

// TestFraming: a request whose end is ambiguous, or of an unsupported version,
// is refused, and nothing after it is read as a request.
func TestFraming(t *testing.T) {
	p := start(t, nil)
	const next = "POST /v1/push/raw?all=1 HTTP/1.1\r\nHost: c\r\nContent-Length: 1\r\n\r\nx"
	for head, want := range map[string]string{
		"HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: identity\r\n":                      "[400]",
		"HTTP/1.1\r\nHost: c\r\ntransfer-encoding:\t Identity \r\nX: y\r\n":           "[400]",
		"HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n": "[400]",
		"HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: gzip, chunked\r\n":                 "[400]",
		"HTTP/1.0\r\nTransfer-Encoding: chunked\r\n":                                  "[400]",
		"HTTP/2.0\r\nHost: c\r\nConnection: keep-alive\r\n":                           "[505]",
		"HTTP/0.9\r\nHost: c\r\nConnection: keep-alive\r\n":                           "[505]",
		"HTTP/1.2\r\nHost: c\r\nConnection: keep-alive\r\n":                           "[505]",
		"HTTP/2.0\r\nHost: c\r\nTransfer-Encoding: identity\r\n":                      "[400]",
	} {
		for _, begin := range []string{"GET /livez ", "GET /v1/stats ", "POST /v1/push ", "POST /v1/bind "} {
			statuses, bodies := answers(t, p, begin+head+"\r\n"+next)
			if fmt.Sprint(statuses) != want {
				t.Errorf("%s%q: %v %s", begin, head, statuses, bodies)
			}
		}
	}
	if got := p.fake.took(); got != "" {
		t.Errorf("the gateway was asked %s", got)
	}
	c, in := p.dial()
	for _, good := range []string{
		"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		"POST /v1/push/raw?all=1 HTTP/1.1\r\nHost: c\r\nTransfer-Encoding:  Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"POST /v1/push/raw?all=1 HTTP/1.1\r\nHost: c\r\nX-Transfer-Encoding: identity\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
	} {
		_, _ = io.WriteString(c, good)
		if status, body, _ := read(t, in); status != 200 {
			t.Errorf("%q: %d %s", good, status, body)
		}
	}
}

// TestLengthRequired: a POST must declare the length of its body, even if it is
// 0.
func TestLengthRequired(t *testing.T) {
	p := start(t, nil)
	c, in := p.dial()
	_, _ = io.WriteString(c, "POST /v1/push/raw?all=1 HTTP/1.1\r\nHost: c\r\n\r\n")
	status, body, h := read(t, in)
	requireProblem(t, "no length", status, body, h.Get("Content-Type"), 411, "length_required")
	for _, framing := range []string{"content-length: 0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"} {
		_, _ = io.WriteString(c, "POST /v1/push/raw?all=1 HTTP/1.1\r\nHost: c\r\n"+framing)
		if status, body, _ := read(t, in); status != 200 {
			t.Errorf("%q: %d %s", framing, status, body)
		}
	}
}

// TestLargeBody: a caller that sends 2 MiB before it reads gets the 413, not a
// reset.
func TestLargeBody(t *testing.T) {
	p := start(t, nil)
	for range 5 {
		d := p.refuses(413, "body_too_large", "POST", "/v1/push", `{"to":{"all":true},"text":"`+strings.Repeat("x", 2<<20)+`"}`)
		if !strings.Contains(d, "2097181 bytes, which exceeds the limit of 1048576") {
			t.Errorf("detail %q", d)
		}
	}
	if status, body, _ := p.ask("POST", "/v1/push", `{"to":{"all":true},"text":"`+strings.Repeat("x", 1<<20-29)+`"}`); status != 200 {
		t.Errorf("a body of 1 MiB: %d %s", status, body)
	}
}

// TestSilent: a silent connection is closed without an answer.
func TestSilent(t *testing.T) {
	p := start(t, func(c *Config) { c.ReadTimeout = 50 * time.Millisecond })
	_, in := p.dial()
	if said, err := io.ReadAll(in); err != nil || len(said) > 0 {
		t.Errorf("%q, %v", said, err)
	}
}

// TestWaitEnds: waiting for written ends at the request timeout, when the
// caller disconnects, and at the shutdown; the answer has the counts so far.
func TestWaitEnds(t *testing.T) {
	const push, soFar = `{"to":{"all":true},"text":"x","wait":"written"}`, `{"matched":3,"queued":1,"dropped":0,"written":2}`
	t.Run("timeout", func(t *testing.T) {
		p := start(t, func(c *Config) { c.RequestTimeout = 50 * time.Millisecond })
		p.fake.waiting = make(chan struct{}, 4)
		c, in := p.dial()
		for range 3 { // on one connection: the watch does not change it
			_, _ = io.WriteString(c, post(push))
			if status, body, _ := read(t, in); status != 200 || body != soFar {
				t.Fatalf("%d %s", status, body)
			}
			time.Sleep(10 * time.Millisecond)
		}
		p.fake.took()
		if status, body, _ := p.ask("POST", "/v1/batch", `{"commands":[{"op":"push",`+push[1:]+`,{"op":"unbind","client_id":"c-1"}]}`); status != 200 || !strings.Contains(body, soFar) ||
			!strings.Contains(body, `{"status":503,"problem":`) || !strings.Contains(body, `"code":"deadline"`) || strings.Contains(p.fake.took(), "unbind") {
			t.Errorf("batch: %d %s", status, body)
		}
		if _, text, _ := p.ask("GET", "/metrics", ""); !strings.Contains(text, `castgate_control_batch_refused_total{code="deadline"} 1`) {
			t.Error("the command is not counted")
		}
	})
	t.Run("caller gone", func(t *testing.T) {
		p := start(t, func(c *Config) { c.RequestTimeout = time.Hour })
		p.fake.waiting = make(chan struct{}, 1)
		c, in := p.dial()
		_, _ = io.WriteString(c, post(push))
		<-p.fake.waiting
		_ = c.(*net.TCPConn).CloseWrite()
		if status, body, _ := read(t, in); status != 200 || body != soFar {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("shutdown", func(t *testing.T) {
		p := start(t, func(c *Config) { c.RequestTimeout = time.Hour })
		p.fake.waiting = make(chan struct{}, 1)
		c, in := p.dial()
		_, _ = io.WriteString(c, post(push))
		<-p.fake.waiting
		p.stop()
		if status, body, _ := read(t, in); status != 200 || body != soFar {
			t.Errorf("%d %s", status, body)
		}
	})
}

// TestShutdown: idle and silent connections hardly delay it; a request that
// cannot be ended is cut off with the context.
func TestShutdown(t *testing.T) {
	p := start(t, nil)
	p.dial() // silent
	c, in := p.dial()
	_, _ = io.WriteString(c, post(`{"to":{"all":true},"text":""}`))
	read(t, in)
	p.stop()
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("an idle connection after Shutdown: %v", err)
	}
	if _, err := net.Dial("tcp", p.Addr().String()); err == nil {
		t.Error("connections are taken after Shutdown")
	}
	if err := p.Server.Shutdown(context.Background()); err != nil {
		t.Errorf("a second Shutdown: %v", err)
	}

	p = start(t, nil)
	c, in = p.dial()
	_, _ = io.WriteString(c, "POST /v1/push HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\n{") // in progress
	if status, _, _ := p.ask("GET", "/livez", ""); status != 200 {
		t.Fatal(status)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := p.Server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if rest, err := io.ReadAll(in); len(rest) > 0 {
		t.Errorf("cut off with %q, %v", rest, err)
	}
}

func TestKeys(t *testing.T) {
	p := start(t, func(c *Config) { c.Keys = []string{"first-key", "second-key"} })
	for _, header := range []string{
		"Authorization: Bearer first-key", "Authorization: bearer  second-key", "X-API-Key: second-key", "x-api-key: first-key",
	} {
		if status, body, _ := p.ask("GET", "/v1/stats", "", header); status != 200 {
			t.Errorf("%s: %d %s", header, status, body)
		}
	}
	for _, header := range []string{
		"", "Authorization: Basic first-key", "Authorization: first-key", "Authorization: Bearer first-ke",
		"Authorization: Bearer first-keyx", "X-API-Key: first-key second-key", "Authorization: Bearer ",
	} {
		for _, path := range []string{"/v1/stats", "/metrics", "/nothing", "/v1/groups"} {
			p.refuses(401, "unauthorized", "GET", path, "", header)
		}
		if _, _, h := p.ask("GET", "/v1/stats", "", header); !strings.HasPrefix(h.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("WWW-Authenticate: %q", h.Get("WWW-Authenticate"))
		}
		for _, path := range []string{"/livez", "/readyz", "/v1/openapi.json"} {
			if status, _, _ := p.ask("GET", path, "", header); status != 200 {
				t.Errorf("%s: %d", path, status)
			}
		}
	}
	p.refuses(401, "unauthorized", "POST", "/v1/push/raw?all=1", "x")
	if got := p.fake.took(); got != "" {
		t.Errorf("the gateway was asked %s", got)
	}
	if status, _, _ := p.ask("POST", "/v1/push/raw?all=1", "x", "X-API-Key: first-key", "Origin: https://app.example"); status != 200 {
		t.Errorf("a page with a key: %d", status)
	}
}

func TestReady(t *testing.T) {
	ready := false
	p := start(t, func(c *Config) { c.Ready = func() bool { return ready } })
	p.refuses(http.StatusServiceUnavailable, "not_ready", "GET", "/readyz", "")
	ready = true
	if status, body, _ := p.ask("GET", "/readyz", ""); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}
