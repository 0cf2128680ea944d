package verbs

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/process"
)

// runVerb runs a command line of a verb. Settings of the gateway are known, as they are to
// the program.
func runVerb(args, environ []string, stdin string) (code int, stdout, stderr string) {
	return linetest.Run(new(verbGrammar), args, environ, stdin)
}

type verbGrammar struct {
	Serve struct {
		Listen []string `unit:"host:port"`
	} `cmd:""`
	Sends
	Queries
}

// asked is the last request to a control API.
type asked struct {
	method, uri, body string
	header            http.Header
}

// fakeControl answers every request the same way and keeps the last one.
func fakeControl(t *testing.T, status int, answer string) (address string, last *asked) {
	t.Helper()
	last = &asked{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*last = asked{method: r.Method, uri: r.RequestURI, body: string(body), header: r.Header}
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), last
}

func TestVerbs(t *testing.T) {
	bytesFile := linetest.File(t, "payload.bin", "\x00\xff", 0o600)
	for _, tt := range []struct {
		line  []string
		stdin string
		ask   string // method and URI
		body  string
	}{
		{line: []string{"push", "--uid=42", "--text=hi <b>"}, ask: "POST /v1/push", body: `{"text":"hi <b>","to":{"uids":["42"]}}`},
		{line: []string{"push", "--uid=a,b", "--uid=c", "--group=g", "--client=k", "--text="}, ask: "POST /v1/push", body: `{"text":"","to":{"client_ids":["k"],"groups":["g"],"uids":["a,b","c"]}}`},
		{line: []string{"push", "--all", "--json", `{"a":[1,2]}`, "--wait"}, ask: "POST /v1/push", body: `{"json":{"a":[1,2]},"to":{"all":true},"wait":"written"}`},
		{line: []string{"push", "--all", "--json", "-"}, stdin: " 12345678901234567890 ", ask: "POST /v1/push", body: `{"json":12345678901234567890,"to":{"all":true}}`},
		{line: []string{"push", "--all", "--text", "-"}, stdin: "from stdin\n", ask: "POST /v1/push", body: `{"text":"from stdin\n","to":{"all":true}}`},
		{line: []string{"push", "--all", "--binary", "-"}, stdin: "\x00\xff", ask: "POST /v1/push", body: `{"base64":"AP8=","to":{"all":true}}`},
		{line: []string{"push", "--all", "--binary", bytesFile}, ask: "POST /v1/push", body: `{"base64":"AP8=","to":{"all":true}}`},
		{line: []string{"push", "--group=g", "--text=x", "--exclude-client=k", "--exclude-uid=u"}, ask: "POST /v1/push", body: `{"exclude":{"client_ids":["k"],"uids":["u"]},"text":"x","to":{"groups":["g"]}}`},
		{line: []string{"bind", "--client=k", "--uid=42"}, ask: "POST /v1/bind", body: `{"client_id":"k","uid":"42"}`},
		{line: []string{"bind", "--client=k", "--uid=42", "--group=a", "--group=b", "--kick-old"}, ask: "POST /v1/bind", body: `{"client_id":"k","exclusive":"kick_old","groups":["a","b"],"uid":"42"}`},
		{line: []string{"unbind", "--client=k"}, ask: "POST /v1/unbind", body: `{"client_id":"k"}`},
		{line: []string{"unbind", "--uid=42", "--uid=43"}, ask: "POST /v1/unbind", body: `{"uids":["42","43"]}`},
		{line: []string{"kick", "--uid=42", "--exclude-client=k", "--exclude-uid=u"}, ask: "POST /v1/kick", body: `{"exclude":{"client_ids":["k"],"uids":["u"]},"uids":["42"]}`},
		{line: []string{"join", "--client=k", "--group=g"}, ask: "POST /v1/join", body: `{"client_ids":["k"],"groups":["g"]}`},
		{line: []string{"leave", "--uid=42", "--group=g"}, ask: "POST /v1/leave", body: `{"groups":["g"],"uids":["42"]}`},
		{line: []string{"ungroup", "--group=g"}, ask: "POST /v1/ungroup", body: `{"groups":["g"]}`},
		{line: []string{"kick", "--uid=42", "--code=4001", "--reason=bye", "--text=last"}, ask: "POST /v1/kick", body: `{"code":4001,"reason":"bye","text":"last","uids":["42"]}`},
		{line: []string{"kick", "--all", "--text=-"}, stdin: "last", ask: "POST /v1/kick", body: `{"all":true,"text":"last"}`},
		{line: []string{"online", "--uid=42", "--client=k"}, ask: "POST /v1/online", body: `{"client_ids":["k"],"uids":["42"]}`},
		{line: []string{"counts", "--group=g"}, ask: "POST /v1/counts", body: `{"groups":["g"]}`},
		{line: []string{"stats"}, ask: "GET /v1/stats"},
		{line: []string{"client", "a/b"}, ask: "GET /v1/clients/a%2Fb"},
		{line: []string{"client", "--client", "a/b"}, ask: "GET /v1/clients/a%2Fb"},
		{line: []string{"clients"}, ask: "GET /v1/clients"},
		{line: []string{"clients", "--uid=ü&", "--limit=5", "--cursor=c+"}, ask: "GET /v1/clients?cursor=c%2B&limit=5&uid=%C3%BC%26"},
		{line: []string{"uids", "--group=g"}, ask: "GET /v1/uids?group=g"},
		{line: []string{"groups", "--uid=u", "--ndjson"}, ask: "GET /v1/groups?uid=u"},
		{line: []string{"session", "put", "k", `{"n":1}`}, ask: "PUT /v1/clients/k/session", body: `{"n":1}`},
		{line: []string{"session", "patch", "k", "-"}, stdin: `{"n":null}`, ask: "PATCH /v1/clients/k/session", body: `{"n":null}`},
		{line: []string{"session", "put", "--client", "k", `{"n":1}`}, ask: "PUT /v1/clients/k/session", body: `{"n":1}`},
		{line: []string{"session", "patch", "-", "--client=k"}, stdin: `{}`, ask: "PATCH /v1/clients/k/session", body: `{}`},
	} {
		t.Run(strings.Join(tt.line, " "), func(t *testing.T) {
			address, last := fakeControl(t, 200, "{ \"ok\": true }")
			code, out, errs := runVerb(append(tt.line, "--control", address), nil, tt.stdin)
			if code != 0 || errs != "" {
				t.Fatalf("exit %d, stderr %q", code, errs)
			}
			if got := last.method + " " + last.uri; got != tt.ask {
				t.Errorf("asked %q, want %q", got, tt.ask)
			}
			if last.body != tt.body {
				t.Errorf("body %s, want %s", last.body, tt.body)
			}
			wantType := ""
			if tt.body != "" {
				wantType = "application/json"
			}
			if got := last.header.Get("Content-Type"); got != wantType {
				t.Errorf("Content-Type %q, want %q", got, wantType)
			}
			if last.header.Get("Authorization") != "" {
				t.Error("a key is sent that was not given")
			}
			wantOut, wantAccept := "{\"ok\":true}\n", "application/json"
			if tt.line[len(tt.line)-1] == "--ndjson" {
				wantOut, wantAccept = "{ \"ok\": true }", ndjson
			}
			if out != wantOut || last.header.Get("Accept") != wantAccept {
				t.Errorf("printed %q for Accept %q", out, last.header.Get("Accept"))
			}
		})
	}
}

// Mistakes on the command line are found before anything is sent.
func TestWrongVerbs(t *testing.T) {
	address, last := fakeControl(t, 200, "{}")
	for _, line := range [][]string{
		{"push", "--text=hi"},
		{"push", "--all"},
		{"push", "--all", "--text=a", "--json=1"},
		{"push", "--all", "--json={"},
		{"push", "--all", "--text=\xff"},
		{"push", "--all", "--text=a", "--exclude=x"},
		{"bind", "--client=k"},
		{"join", "--group=g"},
		{"kick"},
		{"kick", "--code=x", "--all"},
		{"online"},
		{"counts"},
		{"session", "put", "k", "[1]"},
		{"session", "put", "k", "null"},
		{"session", "put"},
		{"session", "put", "k"},
		{"session", "put", "{}"},
		{"session", "put", "--client=k"},
		{"session", "put", "--client=k", "k", "{}"},
		{"client"},
		{"client", "--client="},
		{"client", "--client=k", "k"},
		{"explain"},
		{"explain", "--client=k", "--uid=u"},
		{"stats", "--control=nowhere"},
		{"stats", "--control-key=@/nowhere"},
		{"stats", "--listen=:1"},
	} {
		code, out, errs := runVerb(line, []string{"CASTGATE_CONTROL=" + address}, "")
		if code != process.ExitUsage || out != "" || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit 2 and one line", line, code, out, errs)
		}
	}
	if last.method != "" {
		t.Errorf("sent all the same: %+v", last)
	}
}

func TestVerbErrors(t *testing.T) {
	for _, tt := range []struct {
		status int
		answer string
		want   string
	}{
		{404, `{"type":"about:blank","title":"Unknown client","status":404,"code":"unknown_client","detail":"no client k"}`, "castgate: no client k (unknown_client, 404)\n"},
		{401, `{"title":"Unauthorised","status":401,"code":"unauthorized"}`, "castgate: Unauthorised; --control-key gives it (unauthorized, 401)\n"},
		{502, "<html>\nBad Gateway</html>", "castgate: the control API responded 502 Bad Gateway\n"},
		{200, "not json", "castgate: the response is not JSON: invalid character 'o' in literal null (expecting 'u')\n"},
	} {
		address, _ := fakeControl(t, tt.status, tt.answer)
		code, out, errs := runVerb([]string{"unbind", "--client=k", "--control", address}, nil, "")
		if code != process.ExitFailed || out != "" || errs != tt.want {
			t.Errorf("%d: exit %d, stdout %q, stderr %q; want %q", tt.status, code, out, errs, tt.want)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	code, _, errs := runVerb([]string{"stats", "--control", address}, nil, "")
	if code != process.ExitFailed || !strings.Contains(errs, address) || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d, stderr %q", code, errs)
	}
}

func TestKeyAndAddressFromEverywhere(t *testing.T) {
	address, last := fakeControl(t, 200, "{}")
	keys := linetest.File(t, "keys", "# first\nfrom-file\nsecond\n", 0o600)
	file := linetest.File(t, "castgate.toml", "control = '"+address+"'\ncontrol-key = '@"+keys+"'\nlisten = ':1'\n", 0o600)
	for _, tt := range []struct {
		args, environ []string
		want          string
	}{
		{[]string{"--control", address, "--control-key=flag"}, nil, "Bearer flag"},
		{nil, []string{"CASTGATE_CONTROL=" + address, "CASTGATE_CONTROL_KEY=variable,other", "CASTGATE_LISTEN=:1"}, "Bearer variable"},
		{nil, []string{"CASTGATE_CONFIG=" + file}, "Bearer from-file"},
		{[]string{"--config", file, "--control-key=flag"}, nil, "Bearer flag"},
	} {
		*last = asked{}
		code, _, errs := runVerb(append([]string{"stats"}, tt.args...), tt.environ, "")
		if got := last.header.Get("Authorization"); code != 0 || got != tt.want {
			t.Errorf("%q %q: exit %d, Authorization %q, want %q; %s", tt.args, tt.environ, code, got, tt.want, errs)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "[1]") }))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	defer s.Close()
	if code, out, errs := runVerb([]string{"stats", "--control=unix:" + path}, nil, ""); code != 0 || out != "[1]\n" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, errs)
	}
}

func TestPayloadFileTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(inputLimit + 1); err != nil {
		t.Fatal(err)
	}
	f.Close()
	code, _, errs := runVerb([]string{"push", "--all", "--binary", path, "--control=127.0.0.1:1"}, nil, "")
	if code != process.ExitFailed || !strings.Contains(errs, "larger than 64MiB") {
		t.Errorf("exit %d, stderr %q", code, errs)
	}
}

// A pipe whose other end has failed sends no empty message.
func TestEmptyStdin(t *testing.T) {
	address, last := fakeControl(t, 200, "{}")
	for _, line := range [][]string{
		{"push", "--all", "--text=-"},
		{"push", "--all", "--json=-"},
		{"push", "--all", "--binary=-"},
		{"kick", "--all", "--text=-"},
		{"session", "put", "k", "-"},
	} {
		code, out, errs := runVerb(append(line, "--control", address), nil, "")
		if code != process.ExitUsage || out != "" || errs != "castgate: stdin is empty: nothing was sent\n" {
			t.Errorf("%v: exit %d, %q, %q", line, code, out, errs)
		}
	}
	if last.method != "" {
		t.Errorf("asked %+v", last)
	}
}
