package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// innerKey is the secret of gateways that have one.
const innerKey = "inner-s3cret"

// phpGateway is a gateway for PHP backends of GatewayWorker.
type phpGateway struct {
	*wstest.Gateway
	register, inner, secret string
}

// startPHPGateway starts castgate with a Register and an inner port. Unless a flag
// says otherwise, clients do not wait for a worker.
func startPHPGateway(t *testing.T, secret string, flags ...string) *phpGateway {
	t.Helper()
	g := &phpGateway{register: wstest.FreeAddr(t), inner: wstest.FreeAddr(t), secret: secret}
	flags = append(flags, "--gatewayworker-register", g.register, "--gatewayworker-inner", g.inner)
	if secret != "" {
		flags = append(flags, "--gatewayworker-secret", secret)
	}
	if !slices.Contains(flags, "--gatewayworker-worker-wait") {
		flags = append(flags, "--gatewayworker-worker-wait", "0")
	}
	g.Gateway = wstest.Start(t, flags...)
	return g
}

// php runs e2e/testdata/gatewayclient.php.
func (g *phpGateway) php(t *testing.T, arguments ...string) string {
	t.Helper()
	return phpScript(t, "e2e/testdata/gatewayclient.php", nil, append([]string{g.register, g.secret}, arguments...)...)
}

// call makes one call of GatewayClient and returns its result as JSON.
func (g *phpGateway) call(t *testing.T, method string, arguments ...any) string {
	t.Helper()
	list, err := json.Marshal(append([]any{}, arguments...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(g.php(t, "call", method, string(list)))
}

// innerTexts are scenarioTexts, but several targets get several copies, and with
// the raw frame.
func innerTexts() [3][]string {
	texts := scenarioTexts
	var b []string
	for _, text := range texts[1] {
		b = append(b, text)
		if text == "dup" || text == "gg" {
			b = append(b, text)
		}
	}
	texts[1] = b
	for i := range texts {
		for n, text := range texts[i] {
			if text == "the end" {
				texts[i] = append(append(append([]string{}, texts[i][:n+1]...), "ok"), texts[i][n+1:]...)
				break
			}
		}
	}
	return texts
}

// TestGatewayWorkerCalls makes every call of GatewayClient, with a PHP program that
// behaves as GatewayClient does (TestPHPStandIn).
func TestGatewayWorkerCalls(t *testing.T) {
	t.Parallel()
	program(t, "php", "php-cli")
	for name, secret := range map[string]string{"without a key": "", "with a key": innerKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startPHPGateway(t, secret)
			clients := []*wstest.Client{g.Dial(t), g.Dial(t), g.Dial(t)}
			for _, c := range clients {
				if len(c.ID) != 20 || !strings.HasPrefix(c.ID, clientIDPrefix(t, g.inner)) {
					t.Fatalf("client id %q does not name the inner address %s", c.ID, g.inner)
				}
			}
			g.php(t, append([]string{"scenario"}, ids(clients)...)...)
			for i, c := range clients {
				c.Expect(innerTexts()[i]...)
			}
			clients[0].ExpectClose(1000, "")
			clients[1].ExpectClose(1000, "")
			if code, _ := clients[2].Ended(); code != -1 {
				t.Errorf("the destroyed client got close code %d, want none", code)
			}
		})
	}
}

// TestGatewayWorkerOrder: with a connection for each command and no
// acknowledgements, every step still finds the previous one done
// (docs/gatewayworker-protocol.md section 0).
func TestGatewayWorkerOrder(t *testing.T) {
	t.Parallel()
	program(t, "php", "php-cli")
	g := startPHPGateway(t, innerKey, "--loops", "4")
	a, b := g.Dial(t), g.Dial(t)
	g.php(t, "order", a.ID, b.ID)
	for i := range 300 {
		b.Expect(label("moment", i))
	}
	b.ExpectNothing()
}

// TestGatewayWorkerKey: a wrong key gives no access, and no command after it is
// executed.
func TestGatewayWorkerKey(t *testing.T) {
	t.Parallel()
	php := program(t, "php", "php-cli")
	g := startPHPGateway(t, innerKey)
	c := g.Dial(t)
	script := filepath.Join(wstest.Root(t), "e2e/testdata/gatewayclient.php")
	for _, secret := range []string{"", "wrong", innerKey + "x"} {
		out, err := exec.Command(php, script, g.register, secret, "call", "isOnline", `["`+c.ID+`"]`).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "no reply") {
			t.Errorf("key %q: %v\n%s", secret, err, out)
		}
		out, err = exec.Command(php, script, g.register, secret, "call", "sendToClient", `["`+c.ID+`","intruder"]`).CombinedOutput()
		if err != nil {
			t.Errorf("key %q: %v\n%s", secret, err, out)
		}
	}
	g.call(t, "sendToClient", c.ID, "the owner")
	c.Expect("the owner")
}

// TestGatewayWorkerAndControl: both APIs see the same clients.
func TestGatewayWorkerAndControl(t *testing.T) {
	t.Parallel()
	program(t, "php", "php-cli")
	g := startPHPGateway(t, "")
	c := g.Dial(t)
	g.call(t, "bindUid", c.ID, "ann")
	g.call(t, "joinGroup", c.ID, "7")
	g.Await(func() string { // GatewayClient waits for no reply, so HTTP might be faster
		if got := g.OK("GET", "/v1/clients/"+c.ID, nil); fmt.Sprint(got["groups"]) != "[7]" {
			return fmt.Sprint(got)
		}
		return ""
	})
	expectFields(t, g.OK("GET", "/v1/clients/"+c.ID, nil), M{"uid": "ann"})
	if n := g.Push(wstest.To("groups", "7"), "over HTTP"); n != 1 {
		t.Errorf("matched %d, want 1", n)
	}
	c.Expect("over HTTP")
	g.Bind(c.ID, "bob", "news")
	if got := g.call(t, "getUidByClientId", c.ID); got != `"bob"` {
		t.Errorf("uid %s", got)
	}
	if got := g.call(t, "getAllGroupIdList"); got != `{"7":7,"news":"news"}` {
		t.Errorf("groups %s", got)
	}
	g.call(t, "sendToGroup", "news", "over the inner port")
	c.Expect("over the inner port")
}

// TestGatewayWorkerWorker: a BusinessWorker in PHP gets the events of each client
// and answers them, including sessions.
func TestGatewayWorkerWorker(t *testing.T) {
	t.Parallel()
	php := program(t, "php", "php-cli")
	g := startPHPGateway(t, innerKey)
	worker := startWorker(t, php, g, "Chat:0")

	c := g.DialWith(t, wstest.DialOptions{NoInit: true, Path: "/chat?room=1&tags[]=a&tags[]=b", Header: map[string][]string{"Cookie": {"sid=x%20y"}}})
	c.Send("echo hello")
	c.Expect("hello") // the worker sends the init message
	id := eventOf(t, worker, "connect")
	websocket := ""
	for line := range strings.Lines(worker.Log()) {
		if body, ok := strings.CutPrefix(line, "websocket "+id+" "); ok {
			websocket = body
		}
	}
	for _, want := range []string{`"get":{"room":"1","tags":["a","b"]}`, `"REQUEST_METHOD":"GET"`, `"HTTP_COOKIE":"sid=x%20y"`, `"cookie":{"sid":"x%20y"}`} {
		if !strings.Contains(websocket, want) {
			t.Errorf("the request is %s, without %s", websocket, want)
		}
	}
	c.Send("session")
	c.Expect("[]")
	c.Send("login ann lobby")
	c.Expect("logged in as ann")
	// The worker answers before it stores the session, as BusinessWorker does.
	g.Await(func() string { return lacks(g.call(t, "getSession", id), `{"uid":"ann","group":"lobby"}`) })
	c.Send("session")
	c.Expect(`{"uid":"ann","group":"lobby"}`)
	c.Send("fetches")
	c.Expect("0") // the bytes arrive unchanged, so no second connection was needed
	g.call(t, "updateSession", id, M{"level": 3})
	if got := g.call(t, "getSession", id); got != `{"uid":"ann","group":"lobby","level":3}` {
		t.Errorf("the session is %s", got)
	}
	c.Send("session")
	c.Expect(`{"uid":"ann","group":"lobby","level":3}`)
	c.Send("fetches")
	c.Expect("1")
	c.Send("shout to the lobby")
	c.Expect("to the lobby")
	g.call(t, "sendToUid", "ann", "from a web request")
	c.Expect("from a web request")
	c.Send("bye see you")
	c.Expect("see you")
	c.ExpectClose(1000, "")
	wstest.Await(t, func() string { return lacks(worker.Log(), "close "+id) })
	log := worker.Log()
	if n := strings.Count(log, "close "+id); n != 1 || strings.Index(log, "websocket "+id) < strings.Index(log, "connect "+id) {
		t.Errorf("%d closes in\n%s", n, log)
	}
}

// startWorker starts e2e/testdata/worker.php and waits until it is attached.
func startWorker(t *testing.T, php string, g *phpGateway, name string) *wstest.Process {
	t.Helper()
	worker, _ := startWorkerUntil(t, php, g, name)
	return worker
}

// startWorkerUntil is startWorker for a worker that ends before the test does.
func startWorkerUntil(t *testing.T, php string, g *phpGateway, name string) (worker *wstest.Process, end func()) {
	t.Helper()
	in, hold, err := os.Pipe() // the worker ends when this is closed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hold.Close() })
	cmd := exec.Command(php, filepath.Join(wstest.Root(t), "e2e/testdata/worker.php"), g.register, g.secret, name)
	cmd.Stdin = in
	worker = wstest.Spawn(t, cmd)
	in.Close()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the worker's log:\n%s", worker.Log())
		}
	})
	wstest.Await(t, func() string { return lacks(worker.Log(), "attached "+g.inner) })
	g.AwaitMetric("castgate_gatewayworker_workers", 1)
	return worker, func() { hold.Close() }
}

// eventOf waits for the first event of a kind in a worker's log and returns its
// client.
func eventOf(t *testing.T, worker *wstest.Process, kind string) (client string) {
	t.Helper()
	wstest.Await(t, func() string {
		for line := range strings.Lines(worker.Log()) {
			if f := strings.Fields(line); len(f) >= 2 && f[0] == kind {
				client = f[1]
				return ""
			}
		}
		return "no event " + kind
	})
	return client
}

func lacks(text, what string) string {
	if strings.Contains(text, what) {
		return ""
	}
	return fmt.Sprintf("%q is not in\n%s", what, text)
}

// TestGatewayWorkerExample is the round trip of the other examples, with
// GatewayClient's calls.
func TestGatewayWorkerExample(t *testing.T) {
	t.Parallel()
	php := program(t, "php", "php-cli")
	program(t, "chromium", "chromium-browser", "google-chrome")
	g := startPHPGateway(t, innerKey, "--control-key", controlKey)
	g.Key = controlKey
	listen := wstest.FreeAddr(t)
	cmd := exec.Command(php, "-S", listen, "-t", filepath.Join(wstest.Root(t), "examples/gatewayworker"),
		"-d", "session.save_path="+t.TempDir(), "-d", "display_errors=1")
	cmd.Env = append(os.Environ(), "GATEWAY_REGISTER="+g.register, "GATEWAY_SECRET="+innerKey)
	exampleRoundTrip(t, g.Gateway, "http://"+listen+"/", "bind.php", cmd)
}

// TestGatewayWorkerExposed: an inner port that other hosts can reach needs a key,
// and an address that GatewayClient cannot use is refused.
func TestGatewayWorkerExposed(t *testing.T) {
	t.Parallel()
	listen := []string{"--listen", wstest.FreeAddr(t), "--control", wstest.FreeAddr(t)}
	for _, flags := range [][]string{
		{"--gatewayworker-inner", "0.0.0.0:2900", "--gatewayworker-advertise", "192.0.2.1:2900"},
		{"--gatewayworker-inner", "127.0.0.1:2900", "--gatewayworker-register", "0.0.0.0:1236"},
		{"--gatewayworker-inner", "[::1]:2900"},
	} {
		refuses(t, append(listen, flags...), "gatewayworker-")
	}
}
