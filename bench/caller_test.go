package bench

import (
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"castgate/loadtest/control"
)

// answers is a control port that reads one request and sends a text, byte by
// byte if slowly is set.
func answers(t *testing.T, text string, slowly bool) (*caller, <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, 4096)
		n, _ := conn.Read(b)
		asked <- string(b[:n])
		for len(text) > 0 && slowly {
			_, _ = io.WriteString(conn, text[:1])
			text = text[1:]
		}
		_, _ = io.WriteString(conn, text)
	}()
	c, err := dialCaller(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close(); l.Close() })
	if err := c.allow(time.Minute); err != nil {
		t.Fatal(err)
	}
	return c, asked
}

func TestCallerPosts(t *testing.T) {
	for _, slowly := range []bool{false, true} {
		c, asked := answers(t, "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length:  2 \r\nDate: y\r\n\r\n{}", slowly)
		body, err := c.post("/v1/push", []byte(`{"a":1}`))
		if err != nil || string(body) != "{}" {
			t.Errorf("%q, %v", body, err)
		}
		want := "POST /v1/push HTTP/1.1\r\nHost: " + c.host + "\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
		if got := <-asked; got != want {
			t.Errorf("sent %q", got)
		}
	}
}

func TestCallerRefuses(t *testing.T) {
	for want, text := range map[string]string{
		"not an HTTP/1.1 answer":    "HTTP/1.0 200 OK\r\n\r\n",
		`status "2x0"`:              "HTTP/1.1 2x0 OK\r\n\r\n",
		"without Content-Length":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		`Content-Length " -1"`:      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		`Content-Length " 5000000"`: "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n",
		"no end of the head":        "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxAnswerHead),
		"1 bytes after an answer":   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
		"EOF":                       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nxy",
		"503 Service Unavailable":   "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy",
	} {
		c, _ := answers(t, text, false)
		if _, err := c.post("/", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := dialCaller(t.Context(), "127.0.0.1:1"); err == nil {
		t.Error("port 1 answers")
	}
}

func TestBatchReplies(t *testing.T) {
	const good, busy = `{"status":200,"body":{"kicked":0}}`, `{"status":503,"problem":{"code":"busy"}}`
	for _, tt := range []struct {
		replies string
		refused string // one letter per command: y or n
		fault   string
	}{
		{good + "," + good, "", ""},
		{good + "," + busy, "ny", ""},
		{good, "", "1 replies to 2"},
		{good + `,{"status":200,"body":{"kicked":1}}`, "", `reply 1 of a batch: status 200, body "{\"kicked\":1}"`},
		{`{"status":404,"problem":{"code":"unknown_client"}},` + good, "", "unknown_client"},
		{good + `,` + good + `}`, "", "replies to a batch: invalid"},
	} {
		text := `{"replies":[` + tt.replies + `]}`
		c, asked := answers(t, "HTTP/1.1 200 OK\r\nContent-Length: "+strconv.Itoa(len(text))+"\r\n\r\n"+text, false)
		var b commands
		b.reset()
		for range 2 {
			b.next()
			b.body = append(b.body, "{}"...)
		}
		refused, err := c.batch(&b, `{"kicked":0}`)
		got := ""
		for _, r := range refused {
			got += map[bool]string{true: "y", false: "n"}[r]
		}
		if got != tt.refused || (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: refused %q, %v", tt.replies, got, err)
		}
		if got := <-asked; !strings.HasSuffix(got, "\r\n\r\n"+`{"commands":[{},{}]}`) {
			t.Errorf("sent %q", got)
		}
	}
	c, _ := answers(t, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", false)
	var refused *control.RefusedError
	if _, err := c.batch(&commands{}, ""); !errors.As(err, &refused) || refused.Status != 413 {
		t.Errorf("%v", err)
	}
}
