package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"castgate/internal/wstest"
)

// TestGatewayWorkerLate: a gateway is killed and started again. Its pages reconnect
// at once and log in with their first message. The worker connects when all of them
// are waiting for it. No page is lost, refused or served twice.
func TestGatewayWorkerLate(t *testing.T) {
	t.Parallel()
	const pages = 20
	php := program(t, "php", "php-cli")
	g := startPHPGateway(t, innerKey, "--gatewayworker-worker-wait", "1m")
	visit := func() []*wstest.Client {
		clients := make([]*wstest.Client, pages)
		wstest.Parallel(pages, pages, func(i int) {
			c, _, err := g.TryDial(t, wstest.DialOptions{NoInit: true, Path: fmt.Sprintf("/?page=%d", i)})
			if err != nil {
				t.Errorf("page %d: %v", i, err)
				return
			}
			c.Send(fmt.Sprintf("login user%d lobby", i))
			clients[i] = c
		})
		return clients
	}
	var clients []*wstest.Client
	var worker *wstest.Process
	for round := range 2 {
		if round > 0 {
			g.Signal(syscall.SIGKILL)
			g.Kill()
			for _, c := range clients {
				c.Ended()
			}
			g.Restart()
		}
		visited := make(chan []*wstest.Client)
		go func() { visited <- visit() }()
		g.AwaitMetric("castgate_handshakes_waiting", pages)
		worker = startWorker(t, php, g, "Chat:0")
		clients = <-visited
		for i, c := range clients {
			c.Expect(fmt.Sprintf("logged in as user%d", i))
		}
	}
	for i := range clients {
		if got := g.call(t, "getClientIdByUid", fmt.Sprint("user", i)); strings.Count(got, `"`) != 2 {
			t.Errorf("user%d has the clients %s", i, got)
		}
	}
	for _, c := range clients {
		c.Conn.CloseNow()
	}
	wstest.Await(t, func() string {
		if n := strings.Count(worker.Log(), "\nclose "); n != pages {
			return fmt.Sprintf("%d of %d close events arrived", n, pages)
		}
		return ""
	})
	for _, kind := range []string{"connect", "websocket", "message", "close"} {
		if n := strings.Count(worker.Log(), "\n"+kind+" "); n != pages {
			t.Errorf("%d events %s, wants %d", n, kind, pages)
		}
	}
}

// TestGatewayWorkerReload: the only worker ends and another one connects, while
// clients keep sending. Every message is answered once, in order.
func TestGatewayWorkerReload(t *testing.T) {
	t.Parallel()
	const messages = 1000
	php := program(t, "php", "php-cli")
	g := startPHPGateway(t, "", "--gatewayworker-worker-wait", "1m")
	worker, end := startWorkerUntil(t, php, g, "Chat:0")
	c := g.DialWith(t, wstest.DialOptions{NoInit: true})
	for i := range messages {
		c.Send(fmt.Sprint("echo ", i))
		switch i {
		case messages / 3:
			c.Expect(numbers(0, i+1)...) // the worker has read everything; what it has not read would be lost with it
			end()
			worker.Exited(t, wstest.Patience)
		case messages / 2:
			startWorker(t, php, g, "Chat:0")
		}
	}
	c.Expect(numbers(messages/3+1, messages)...)
	c.Send("echo end")
	c.Expect("end")
}

// numbers are from, from+1, ..., to-1 as text.
func numbers(from, to int) (texts []string) {
	for i := from; i < to; i++ {
		texts = append(texts, fmt.Sprint(i))
	}
	return texts
}
