package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// clientScript is clients/script.json, which explains itself.
type clientScript struct {
	Steps, Stalled, Gone, Back []vectorCall
	WrongKey                   []vectorCall `json:"wrong key"`
	WrongTLS                   []vectorCall `json:"wrong TLS"`
	Messages                   map[string]struct {
		Texts  []string
		Code   int
		Reason string
	}
}

// TestClientScript runs clients/script.json with every client against the real
// program, over TCP, over a unix socket and over TLS with a client certificate. Each
// verifies the events that the program has sent.
func TestClientScript(t *testing.T) {
	t.Parallel()
	for _, runner := range clientRunners {
		over := runner.over
		if over == nil {
			over = []string{"tcp", "unix", "tls"}
		}
		for _, over := range over {
			t.Run(runner.language+" "+over, func(t *testing.T) {
				t.Parallel()
				runScript(t, runner, over)
			})
		}
	}
}

func runScript(t *testing.T, runner clientRunner, over string) {
	events := &recorder{}
	backend := httptest.NewServer(events)
	t.Cleanup(backend.Close)
	opts := wstest.Options{Key: controlKey, Flags: []string{
		"--control-key", controlKey, "--events-url", backend.URL, "--events-secret", eventsSecret, "--events-linger", "1ms",
	}}
	options := M{}
	switch over {
	case "unix":
		opts.Flags = append(opts.Flags, "--control", "unix:"+filepath.Join(t.TempDir(), "c.sock"))
	case "tls":
		authority := wstest.NewAuthority(t)
		server, client := authority.Issue("gateway"), authority.Issue("backend")
		opts.ControlTLS = authority.Trust(client)
		opts.Flags = append(opts.Flags, "--control-tls-cert", server.Cert, "--control-tls-key", server.Key, "--control-client-ca", authority.File)
		options = M{"ca": authority.File, "cert": client.Cert, "cert_key": client.Key}
	}
	g := wstest.StartWith(t, opts)
	address := g.ControlAddr
	if over == "tls" {
		address = "https://" + strings.Replace(address, "127.0.0.1", "localhost", 1)
	}
	clients := map[string]*wstest.Client{"a": g.Dial(t), "b": g.Dial(t), "c": g.Dial(t)}
	g.Await(func() string { return events.lack(len(clients)) })
	script := readScript(t, clients)
	run := func(key string, options M, calls []vectorCall) {
		t.Helper()
		var jobs []clientJob
		for _, call := range calls {
			jobs = append(jobs, clientJob{Name: call.Call, Address: address, Key: key, Options: options, Call: call.Call, Args: call.Args})
		}
		results := runner.run(t, jobs)
		if len(results) != len(jobs) {
			t.Fatalf("%d results of %d calls", len(results), len(jobs))
		}
		for i, r := range results {
			expectResult(t, label(jobs[i].Call, i), clientResult{label(r.Name, i), r.Value, r.Error}, calls[i])
		}
	}
	run(controlKey, options, script.Steps)
	for name, c := range clients {
		want := script.Messages[name]
		for _, text := range want.Texts {
			if data, ok := strings.CutPrefix(text, "base64:"); ok {
				binary, _ := base64.StdEncoding.DecodeString(data)
				c.ExpectBinary(string(binary))
				continue
			}
			c.Expect(text)
		}
		c.ExpectClose(want.Code, want.Reason)
		if n := len(c.Messages()); n != len(want.Texts) {
			t.Errorf("client %s got %d messages, want %d", name, n, len(want.Texts))
		}
	}
	run("a key that the gateway does not have", options, script.WrongKey)
	g.Await(func() string { return events.lack(10) }) // connected, bound and disconnected, of three clients, and more
	run(controlKey, options, verifyCalls(t, events))
	if over == "tls" {
		run(controlKey, M{"retries": 0}, script.WrongTLS)
	}
	if over == "tcp" {
		runTrouble(t, g, script, run)
	}
}

// verifyCalls are the requests that a backend has got, to be verified with a secret
// that is one of theirs, with another one, and after a change.
func verifyCalls(t *testing.T, events *recorder) (calls []vectorCall) {
	t.Helper()
	for _, r := range events.requests(t) {
		body, other := r["body"].(string), "whsec_bm90IHRoaXMgb25lLCBidXQgYW5vdGhlcg=="
		var want any
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatal(err)
		}
		for _, event := range want.([]any) {
			delete(event.(M), "time") // Go writes it in another way
		}
		refused := M{"code": "webhook_signature"}
		calls = append(calls,
			vectorCall{Call: "verify", Args: M{"headers": r["headers"], "body": body, "secrets": []string{other, eventsSecret}}, Value: want},
			vectorCall{Call: "verify", Args: M{"headers": r["headers"], "body": body, "secrets": []string{other}}, Error: refused},
			vectorCall{Call: "verify", Args: M{"headers": r["headers"], "body": body + " ", "secrets": []string{eventsSecret}}, Error: refused})
	}
	return calls
}

// runTrouble stops the gateway in its tracks, kills it and starts it again.
func runTrouble(t *testing.T, g *wstest.Gateway, script *clientScript, run func(key string, options M, calls []vectorCall)) {
	t.Helper()
	goOn := pause(t, g)
	run(controlKey, M{"timeout": 0.5}, script.Stalled)
	goOn()
	g.Kill()
	run(controlKey, M{"retries": 1}, script.Gone)
	g.Restart()
	run(controlKey, M{}, script.Back)
}

// readScript puts the ids of the clients into the script.
func readScript(t *testing.T, clients map[string]*wstest.Client) *clientScript {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(wstest.Root(t), "clients/script.json"))
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for name, c := range clients {
		pairs = append(pairs, "{"+name+"}", c.ID)
	}
	script := new(clientScript)
	if err := json.Unmarshal([]byte(strings.NewReplacer(pairs...).Replace(string(text))), script); err != nil {
		t.Fatal(err)
	}
	return script
}
