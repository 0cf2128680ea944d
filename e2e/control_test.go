package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"castgate/internal/wstest"
)

func TestControlKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("from-the-file-0123456789\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const key = "first-key-0123456789"
	g := wstest.StartWith(t, wstest.Options{Key: key, Flags: []string{"--control-key", key, "--control-key", "@" + file}})
	for _, try := range []struct {
		header, value string
		status        int
	}{
		{"Authorization", "Bearer " + key, 200},
		{"Authorization", "Bearer from-the-file-0123456789", 200},
		{"X-API-Key", key, 200},
		{"Authorization", "", 401},
		{"Authorization", "Basic " + key, 401},
		{"Authorization", "Bearer " + key[:len(key)-1], 401},
		{"Authorization", "Bearer " + key + "x", 401},
		{"X-API-Key", "wrong", 401},
	} {
		req, err := http.NewRequest("GET", "http://"+g.ControlAddr+"/v1/stats", nil)
		if err != nil {
			t.Fatal(err)
		}
		if try.value != "" {
			req.Header.Set(try.header, try.value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != try.status && (try.status != 401 || resp.StatusCode != 403) {
			t.Errorf("%s: %q: status %d, want %d", try.header, try.value, resp.StatusCode, try.status)
		}
	}
	c := g.Dial(t) // clients need no key
	g.Push(wstest.All(), "with the key")
	c.Expect("with the key")
	if strings.Contains(g.Log(), key) || strings.Contains(g.Log(), "from-the-file") {
		t.Error("the log contains a key")
	}
}

// TestControlBadInput: every malformed request gets its own status, and none of
// them changes anything.
func TestControlBadInput(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := g.Dial(t)
	bind := func(uid string) string { return fmt.Sprintf(`{"client_id":%q,"uid":"%s"}`, c.ID, uid) }
	for _, bad := range []struct {
		path, body string
		status     int
	}{
		{"/v1/bind", `{"client_id":`, 400},
		{"/v1/bind", ``, 400},
		{"/v1/bind", `[]`, 400},
		{"/v1/bind", `null`, 400},
		{"/v1/bind", bind("ann") + `{}`, 400},
		{"/v1/bind", `{"client_id":5,"uid":"ann"}`, 400},
		{"/v1/bind", fmt.Sprintf(`{"client_id":%q,"uid":"ann","colour":"red"}`, c.ID), 400},
		{"/v1/bind", fmt.Sprintf(`{"client_id":%q,"uid":"ann","exclusive":"maybe"}`, c.ID), 400},
		{"/v1/bind", bind(""), 400},
		{"/v1/bind", bind(strings.Repeat("u", 129)), 400},
		{"/v1/bind", bind(strings.Repeat("ü", 65)), 400},
		{"/v1/bind", bind("a\xffb"), 400},
		{"/v1/push", `{"to":{},"text":"x"}`, 400},
		{"/v1/push", `{"text":"x"}`, 400},
		{"/v1/push", `{"to":{"all":true}}`, 400},
		{"/v1/push", `{"to":{"all":true},"text":"x","json":1}`, 400},
		{"/v1/push", `{"to":{"all":true},"base64":"%%"}`, 400},
		{"/v1/push", `{"to":{"all":true},"text":"x","wait":"read"}`, 400},
		{"/v1/push", `{"to":{"all":"yes"},"text":"x"}`, 400},
		{"/v1/push/raw", "x", 400},
		{"/v1/push/raw?all=1&colour=red", "x", 400},
		{"/v1/push", `{"to":{"all":true},"text":"` + strings.Repeat("x", 2<<20) + `"}`, 413},
		{"/v1/no-such-verb", `{}`, 404},
	} {
		status, answer := g.Control("POST", bad.path, bad.body)
		if status != bad.status || number(answer["status"]) != bad.status || answer["code"] == "" || answer["detail"] == "" {
			t.Errorf("%s %.80s: status %d, %v, want %d", bad.path, bad.body, status, answer, bad.status)
		}
	}
	if status, _ := g.Control("GET", "/v1/push", nil); status != 405 {
		t.Errorf("GET /v1/push: status %d, want 405", status)
	}
	longest := strings.Repeat("u", 128)
	g.OK("POST", "/v1/bind", bind(longest))
	g.OK("POST", "/v1/bind", bind(`a\u0000b`))
	if n := g.Push(wstest.To("uids", "a\x00b"), "to a name with NUL"); n != 1 {
		t.Errorf("matched %d, want 1", n)
	}
	c.Expect("to a name with NUL")
	c.ExpectNothing()
}

// TestIdleControlConnections: 1,000 idle keep-alive connections do not keep other
// callers out.
func TestIdleControlConnections(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := g.Dial(t)
	conns := make([]net.Conn, 1000)
	errs := make([]error, len(conns))
	wstest.Parallel(len(conns), 8, func(i int) { conns[i], errs[i] = idleCaller(g) })
	for i, err := range errs {
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer conns[i].Close()
	}
	resp, err := g.Request("POST", "/v1/push", M{"to": wstest.All(), "text": "one more caller"}, http.Header{"Connection": {"close"}})
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("a new connection: %v, %v", resp, err)
	}
	resp.Body.Close()
	c.Expect("one more caller")
	if _, err := ask(conns[999], bufio.NewReader(conns[999])); err != nil {
		t.Errorf("an idle connection, reused: %v", err)
	}
}

// idleCaller opens a control connection and makes one request.
func idleCaller(g *wstest.Gateway) (net.Conn, error) {
	conn, err := g.DialControl()
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(wstest.Patience))
	_, err = ask(conn, bufio.NewReader(conn))
	return conn, err
}

// ask makes one request on a keep-alive connection.
func ask(conn net.Conn, in *bufio.Reader) (body string, err error) {
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: control\r\n\r\n"); err != nil {
		return "", err
	}
	return answer(in)
}

// answer reads one answer, which must be 200.
func answer(in *bufio.Reader) (body string, err error) {
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, data)
	}
	return string(data), err
}

// TestPipelining: requests sent without waiting are answered in order.
func TestPipelining(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := g.Dial(t)
	conn, err := g.DialControl()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(wstest.Patience))
	const n = 50
	var all strings.Builder
	for i := range n {
		body := fmt.Sprintf(`{"to":{"all":true},"text":"pipelined %d"}`, i)
		fmt.Fprintf(&all, "POST /v1/push HTTP/1.1\r\nHost: control\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	if _, err := io.WriteString(conn, all.String()); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for i := range n {
		if body, err := answer(in); err != nil || !strings.Contains(body, `"matched":1`) {
			t.Fatalf("answer %d: %q, %v", i, body, err)
		}
	}
	for i := range n {
		c.Expect(label("pipelined", i))
	}
}

// TestSlowPost: a request whose body never arrives ends with the read timeout and
// delays nobody.
func TestSlowPost(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--control-read-timeout", "500ms")
	conn, err := g.DialControl()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /v1/push HTTP/1.1\r\nHost: control\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	g.OK("GET", "/v1/stats", nil)
	conn.SetReadDeadline(time.Now().Add(wstest.Patience))
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

// TestControlFromBrowser: without keys, a page in a browser on the gateway's host
// must not be able to push.
func TestControlFromBrowser(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := g.Dial(t)
	resp, err := g.Request("POST", "/v1/push/raw?all=1", "from a foreign page", http.Header{
		"Origin": {"https://evil.example"}, "Content-Type": {"text/plain"},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, want 403", resp.StatusCode)
	}
	c.ExpectNothing()
}
