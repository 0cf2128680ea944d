package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"castgate/internal/wstest"
)

func TestOrigins(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--allowed-origins", "https://app.example.org,*.example.com")
	for _, try := range []struct {
		origin string
		status int
	}{
		{"", 101}, // not a browser
		{"https://app.example.org", 101},
		{"https://www.example.com", 101},
		{"https://a.b.example.com:8443", 101},
		{"https://app.example.org.evil.net", 403},
		{"https://evilexample.com", 403},
		{"http://app.example.org", 403},
		{"null", 403},
	} {
		header := http.Header{}
		if try.origin != "" {
			header.Set("Origin", try.origin)
		}
		_, resp, err := g.TryDial(t, wstest.DialOptions{Header: header})
		if resp == nil || resp.StatusCode != try.status {
			t.Errorf("origin %q: %v, %v, want %d", try.origin, resp, err, try.status)
		}
	}
}

func TestUnboundTimeout(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--unbound-timeout", "500ms")
	bound, stranger := g.Dial(t), g.Dial(t)
	g.Bind(bound.ID, "ann")
	if code, _ := stranger.Ended(); code != 1008 {
		t.Errorf("closed with %d, want 1008", code)
	}
	late := g.Dial(t) // when this one is closed, bound has outlived two timeouts
	if code, _ := late.Ended(); code != 1008 {
		t.Errorf("closed with %d, want 1008", code)
	}
	bound.ExpectNothing()
}

func TestOnMessage(t *testing.T) {
	t.Parallel()
	t.Run("ignore", func(t *testing.T) {
		t.Parallel()
		g := wstest.Start(t)
		c := g.Dial(t)
		for range 10 {
			c.Send("is anybody there?")
		}
		g.Await(func() string {
			if n := g.Metrics()["castgate_messages_received_total"]; n != 10 {
				return "messages counted are not 10"
			}
			return ""
		})
		c.ExpectNothing()
	})
	t.Run("echo", func(t *testing.T) {
		t.Parallel()
		g := wstest.Start(t, "--on-message", "echo")
		c := g.Dial(t)
		for _, text := range []string{"", "x", strings.Repeat("ü", 20_000), "last"} {
			c.Send(text)
			c.Expect(text)
		}
	})
	t.Run("close", func(t *testing.T) {
		t.Parallel()
		g := wstest.Start(t, "--on-message", "close")
		silent, talker := g.Dial(t), g.Dial(t)
		talker.Send("hello")
		if code, _ := talker.Ended(); code != 1008 {
			t.Errorf("closed with %d, want 1008", code)
		}
		silent.ExpectNothing()
	})
}

func TestMaxMessage(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--on-message", "echo", "--max-message", "1000")
	c := g.Dial(t)
	c.Send(strings.Repeat("x", 1000))
	c.Expect(strings.Repeat("x", 1000))
	c.Send(strings.Repeat("x", 1001))
	if code, _ := c.Ended(); code != 1009 {
		t.Errorf("closed with %d, want 1009", code)
	}
}

// TestPings: a client that answers pings stays, one that does not is closed, and
// one that sends messages counts as alive.
func TestPings(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--ping-interval", "300ms", "--ping-timeout", "4s")
	alive := g.Dial(t)
	mute := g.DialWith(t, wstest.DialOptions{NoPong: true})
	chatty := g.DialWith(t, wstest.DialOptions{NoPong: true})
	go func() {
		for chatty.Err() == nil {
			chatty.Conn.Write(t.Context(), 1, []byte("still here"))
			time.Sleep(50 * time.Millisecond)
		}
	}()
	code, reason := mute.Ended()
	t.Logf("the mute client ended with %d %q", code, reason)
	if mute.Pings() == 0 {
		t.Error("the mute client was never pinged")
	}
	g.Await(func() string {
		if alive.Pings() < 4 {
			return "the answering client got fewer than 4 pings"
		}
		return ""
	})
	alive.ExpectNothing()
	chatty.ExpectNothing()
}

func TestInitMessageSettings(t *testing.T) {
	t.Parallel()
	t.Run("empty", func(t *testing.T) {
		t.Parallel()
		g := wstest.Start(t, "--init-message=")
		c := g.DialWith(t, wstest.DialOptions{NoInit: true})
		g.AwaitMetric("castgate_connections", 1)
		if n := g.Push(wstest.All(), "first"); n != 1 {
			t.Errorf("matched %d, want 1", n)
		}
		c.Expect("first")
	})
	t.Run("other", func(t *testing.T) {
		t.Parallel()
		g := wstest.Start(t, "--init-message", `{"type":"init","client_id":"%s","again":"%s","100%":1}`)
		r := g.DialRaw(t)
		text := r.Upgrade()
		rows := pages(t, g, "/v1/clients")
		if len(rows) != 1 || strings.Count(text, `"`) < 8 || !strings.Contains(text, `"100%":1`) {
			t.Fatalf("init message %q, clients %v", text, rows)
		}
		id := strings.Split(text, `"`)[7]
		if strings.Count(text, id) != 2 {
			t.Errorf("init message %q does not carry the client id twice", text)
		}
		g.OK("GET", "/v1/clients/"+id, nil)
	})
}
