package control

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"castgate/server/control/access"
)

// answers reads everything that a connection receives: the statuses, and the
// code of each problem.
func answers(t *testing.T, p *port, request string) (statuses []int, bodies []string) {
	t.Helper()
	c, in := p.dial()
	_, _ = io.WriteString(c, request)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Fatal(err)
			}
			return statuses, bodies
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		statuses, bodies = append(statuses, resp.StatusCode), append(bodies, string(body))
	}
}

// TestStrangersBody: a caller without a key is refused before a large body has
// arrived, however it is framed, and is not asked to send one.
func TestStrangersBody(t *testing.T) {
	p, log := audited(t, func(c *Config) { c.Keys = []string{"secret-key"} })
	const head = "POST /v1/push HTTP/1.1\r\nHost: c\r\n"
	asked := []string{
		head + "Content-Length: 1048576\r\n\r\n",
		head + "Content-Length: 1048576\r\nX-API-Key: other-key\r\n\r\n" + strings.Repeat("x", 9000),
		head + "Content-Length: 99999999999\r\n\r\n",
		head + "Transfer-Encoding: chunked\r\n\r\n",
		head + "Transfer-Encoding: chunked\r\n\r\n100000\r\n",
		head + "Transfer-Encoding: chunked\r\nTrailer: X-API-Key\r\n\r\n1\r\nx\r\n0\r\nX-API-Key: secret-key\r\n\r\n",
		head + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
		head + "Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n",
		head + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
	}
	for _, request := range asked {
		statuses, bodies := answers(t, p, request)
		if fmt.Sprint(statuses) != "[401]" || !strings.Contains(bodies[0], `"code":"unauthorized"`) {
			t.Errorf("%.100q: %v %s", request, statuses, bodies)
		}
	}
	if got := p.fake.took(); got != "" {
		t.Errorf("the gateway was asked %s", got)
	}
	_, text, _ := p.ask("GET", "/metrics", "", "X-API-Key: secret-key")
	if want := fmt.Sprintf(`castgate_control_requests_total{method="POST",route="/v1/push",status="401"} %d`, len(asked)); !strings.Contains(text, want) {
		t.Errorf("not %s", want)
	}
	if n := strings.Count(log.String(), `"code":"unauthorized"`); n != len(asked) {
		t.Errorf("%d refusals in the audit log, want %d: %s", n, len(asked), log.String())
	}
	// A small body is read, and the connection continues.
	c, in := p.dial()
	for range 2 {
		_, _ = io.WriteString(c, post(strings.Repeat("x", strangerBody)))
		status, body, h := read(t, in)
		requireProblem(t, "a small body", status, body, h.Get("Content-Type"), 401, "unauthorized")
	}
}

// TestExpect: a caller with a key is asked for the body, unless it is too
// large.
func TestExpect(t *testing.T) {
	p := start(t, func(c *Config) { c.Keys = []string{"secret-key"} })
	const head = "POST /v1/push/raw?all=1 HTTP/1.1\r\nHost: c\r\nX-API-Key: secret-key\r\nExpect: 100-continue\r\nConnection: close\r\n"
	if statuses, bodies := answers(t, p, head+"Content-Length: 5000\r\n\r\n"+strings.Repeat("x", 5000)); fmt.Sprint(statuses) != "[100 200]" {
		t.Errorf("%v %s", statuses, bodies)
	}
	if statuses, bodies := answers(t, p, head+"Content-Length: 1048577\r\n\r\n"); fmt.Sprint(statuses) != "[413]" {
		t.Errorf("%v %s", statuses, bodies)
	}
}

// TestBodyNotRead: a request whose body was not read is not executed, even if
// its key has become valid meanwhile.
func TestBodyNotRead(t *testing.T) {
	p := start(t, func(c *Config) { c.Keys = []string{"secret-key"} })
	ctx := request(nopConn{}, "POST", "/v1/push/raw?all=1", "")
	h := &ctx.Request.Header
	h.Set("X-API-Key", "new-key")
	h.SetContentLength(1 << 20)
	p.requestConfig(h)
	if err := p.SetAccess(access.Access{Keys: []string{"new-key"}}); err != nil {
		t.Fatal(err)
	}
	p.handle(ctx)
	if got := p.fake.took(); got != "" || ctx.Response.StatusCode() != 401 || !h.ConnectionClose() {
		t.Errorf("%d, the gateway was asked %q", ctx.Response.StatusCode(), got)
	}
	// Routes that need no key need no body either.
	if statuses, _ := answers(t, p, "GET /livez HTTP/1.1\r\nHost: c\r\nContent-Length: 100000\r\n\r\n"); fmt.Sprint(statuses) != "[200]" {
		t.Errorf("livez: %v", statuses)
	}
}
