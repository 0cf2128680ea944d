package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// receiver is one of the receivers of docs/events.md as it stands there, apart from its
// port.
type receiver struct {
	title, listen, url string
	command            func() *exec.Cmd
}

// receivers are all of them, written to files and built.
func receivers(t *testing.T) (all []*receiver) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(wstest.Root(t), "docs/events.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## A receiver\n")
	dir := t.TempDir()
	for _, file := range []string{"Go.go", "PHP.php", "Node.mjs", "Python.py"} {
		title, _, _ := strings.Cut(file, ".")
		_, part, _ := strings.Cut(section, "\n### "+title+"\n")
		_, code, _ := strings.Cut(part, "```")
		_, code, _ = strings.Cut(code, "\n")
		code, _, ok := strings.Cut(code, "\n```")
		if !ok {
			t.Fatalf("docs/events.md has no receiver in %s", title)
		}
		r := &receiver{title: title, listen: wstest.FreeAddr(t)}
		r.url = "http://" + r.listen + "/castgate"
		file = filepath.Join(dir, file)
		write(t, file, strings.ReplaceAll(code, "8090", r.listen[strings.LastIndex(r.listen, ":")+1:])+"\n")
		switch title {
		case "Go":
			binary := filepath.Join(dir, "receiver")
			build := exec.Command("go", "build", "-o", binary, file)
			build.Dir = dir
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			r.command = func() *exec.Cmd { return exec.Command(binary) }
		case "PHP":
			r.command = func() *exec.Cmd {
				return exec.Command(program(t, "php"), "-d", "display_errors=1", "-S", r.listen, file)
			}
		case "Node":
			r.command = func() *exec.Cmd { return exec.Command(program(t, "node", "nodejs"), file) }
		case "Python":
			r.command = func() *exec.Cmd { return exec.Command(program(t, "python3"), "-u", file) }
		}
		all = append(all, r)
	}
	return all
}

// start starts it with a variable of the environment more, and waits until it answers or
// has refused to start.
func (r *receiver) start(t *testing.T, variable string) (p *wstest.Process, runs bool) {
	t.Helper()
	cmd := r.command()
	cmd.Env = append(os.Environ(), variable)
	p = wstest.Spawn(t, cmd)
	wstest.Await(t, func() string {
		select {
		case <-p.Done():
			return ""
		default:
		}
		resp, err := http.Get(r.url) // a GET is no event
		if err != nil {
			return r.title + ": " + err.Error()
		}
		resp.Body.Close()
		runs = true
		return ""
	})
	return p, runs
}

// TestEventReceivers has the receivers of docs/events.md take what castgate sends, in
// batches and one by one, by the newer of two secrets. They refuse what others sign, and
// go on whatever strangers send.
func TestEventReceivers(t *testing.T) {
	t.Parallel()
	var urls []string
	var processes []*wstest.Process
	for _, r := range receivers(t) {
		p, runs := r.start(t, "EVENTS_SECRET=whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB "+eventsSecret)
		if !runs {
			t.Fatalf("%s has ended:\n%s", r.title, p.Log())
		}
		r.molest(t)
		for secret, want := range map[string]int{eventsSecret: 204, "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw": 401} {
			if status := tellSigned(t, r.url, secret, "[]"); status != want {
				t.Errorf("%s: status %d, want %d", r.title, status, want)
			}
		}
		if status := tellSigned(t, r.url, eventsSecret, `{"id":"1","type":"castgate.events.lost"}`); status != 204 {
			t.Errorf("%s: status %d of an object\n%s", r.title, status, p.Log())
		}
		urls, processes = append(urls, r.url), append(processes, p)
	}
	var g *wstest.Gateway
	for _, batch := range []string{"1", "100"} { // one event is an object, not a list
		g = wstest.Start(t, "--events-url", strings.Join(urls, ","), "--events-secret", eventsSecret, "--events-batch", batch,
			"--events-timeout", "1s", "--events-retry-max", "200ms")
		c := g.Dial(t)
		g.Bind(c.ID, "ann")
		c.Close()
		for i, p := range processes {
			g.Await(func() string {
				for n, kind := range []string{"connected", "bound", "disconnected"} {
					if want := fmt.Sprintf("castgate.client.%s %s %d\n", kind, c.ID, n+1); !strings.Contains(p.Log(), want) {
						return fmt.Sprintf("the receiver at %s has not said %q of batches of %s; it said\n%s", urls[i], want, batch, p.Log())
					}
				}
				return ""
			})
		}
	}
	stoppedReceiver(t, g, processes, urls[0])
}

// molest sends what must not end a receiver: halves of requests whose sender is gone, a
// signature that is no ASCII, and signed bodies that are no events.
func (r *receiver) molest(t *testing.T) {
	t.Helper()
	sendHalves(t, r.listen, r.title == "Go" || r.title == "Node")
	request, err := http.NewRequest(http.MethodPost, r.url, strings.NewReader("[]"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("webhook-timestamp", fmt.Sprint(time.Now().Unix()))
	request.Header.Set("webhook-signature", "v1,"+strings.Repeat("\xe9", 44))
	if resp, err := http.DefaultClient.Do(request); err != nil {
		t.Errorf("%s: a signature that is no ASCII: %v", r.title, err)
	} else if resp.Body.Close(); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s: a signature that is no ASCII is answered %d, want 401", r.title, resp.StatusCode)
	}
	for _, body := range []string{"[null]", "null", "[{", ""} {
		resp, err := http.DefaultClient.Do(signedEvents(t, r.url, eventsSecret, body))
		if err != nil {
			continue // no answer: castgate tells it again
		}
		resp.Body.Close()
		if resp.StatusCode < 300 && !json.Valid([]byte(body)) {
			t.Errorf("%s: %q is answered %d", r.title, body, resp.StatusCode)
		}
	}
}

// sendHalves sends halves of requests, and a reset behind each. Some servers continue:
// they say when they read the body, and the reset comes after that.
func sendHalves(t *testing.T, address string, continues bool) {
	t.Helper()
	for range 20 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("behind half a request: %v", err)
		}
		fmt.Fprint(conn, "POST /castgate HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
		if continues {
			if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
				t.Fatalf("behind half a request: %q, %v", line, err)
			}
		}
		fmt.Fprint(conn, "[")
		if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // a reset, not an end
			t.Fatal(err)
		}
		conn.Close()
	}
}

// TestEventReceiversSecrets: no receiver of docs/events.md takes the empty text for a
// secret, however the secrets are written. What is signed by the secret that there is, it
// accepts.
func TestEventReceiversSecrets(t *testing.T) {
	t.Parallel()
	const other = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	for _, r := range receivers(t) {
		for variable, good := range map[string]bool{
			"EVENTS_SECRET=" + eventsSecret + " ":                 true,
			"EVENTS_SECRET= " + eventsSecret:                      true,
			"EVENTS_SECRET=" + other + "  " + eventsSecret:        true,
			"EVENTS_SECRET=" + other + "\n" + eventsSecret + "\n": true,
			"EVENTS_SECRET=": false, "EVENTS_SECRET= ": false, "EVENTS_SECRET=whsec_": false, "EVENTS_SECRET=whsec_!": false,
			"EVENTS_SECRET=whsec_AAAA": false, "NO_SECRET=": false,
		} {
			p, runs := r.start(t, variable)
			if !runs && good {
				t.Errorf("%s has ended with %q:\n%s", r.title, variable, p.Log())
			}
			if runs {
				for secret, accepted := range map[string]bool{eventsSecret: good, "": false, "AAAA": false} {
					if status := tellSigned(t, r.url, secret, "[]"); status != map[bool]int{true: 204, false: 401}[accepted] {
						t.Errorf("%s with %q answers %d to the secret %q", r.title, variable, status, secret)
					}
				}
			}
			p.Signal(os.Kill)
			p.Exited(t, wstest.Patience)
			http.DefaultClient.CloseIdleConnections()
		}
	}
}

// stoppedReceiver has the first receiver stand still: its requests time out, the others
// are told meanwhile. When it goes on, it gets what it was sent in the meantime as well,
// and still all in order.
func stoppedReceiver(t *testing.T, g *wstest.Gateway, receivers []*wstest.Process, url string) {
	receivers[0].Signal(syscall.SIGSTOP)
	t.Cleanup(func() { receivers[0].Signal(syscall.SIGCONT) })
	c := g.Dial(t)
	g.Bind(c.ID, "bob")
	c.Close()
	lines := func(p *wstest.Process) (kinds []string) {
		seen := map[string]bool{}
		for line := range strings.Lines(p.Log()) {
			if _, said, ok := strings.Cut(line, "castgate.client."); ok && strings.Contains(said, c.ID) && !seen[said] {
				seen[said] = true
				kinds = append(kinds, strings.Fields(said)[0])
			}
		}
		return kinds
	}
	const want = "connected bound disconnected"
	for _, p := range receivers[1:] {
		g.Await(func() string {
			if got := strings.Join(lines(p), " "); got != want {
				return fmt.Sprintf("a receiver has said %q beside one that is stopped, want %q", got, want)
			}
			return ""
		})
	}
	unanswered := fmt.Sprintf("castgate_events_attempts_total{outcome=%q,url=%q}", "unanswered", url)
	g.Await(func() string {
		if n := g.Metrics()[unanswered]; n < 2 {
			return fmt.Sprintf("%v requests were not answered, want 2", n)
		}
		return ""
	})
	receivers[0].Signal(syscall.SIGCONT)
	g.Await(func() string {
		if got := strings.Join(lines(receivers[0]), " "); got != want {
			return fmt.Sprintf("the receiver that was stopped has said %q, want %q", got, want)
		}
		return ""
	})
}
