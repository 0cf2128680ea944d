package client

import (
	"bytes"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/process"
)

// look is a command that asks for the counters.
type look struct{ Connection }

// Run makes the request.
func (c *look) Run(p *process.Process) error { return c.Call(p, http.MethodGet, "/v1/stats", nil) }

// runLook runs a command line of look, which is called stats.
func runLook(args, environ []string, stdin string) (code int, stdout, stderr string) {
	var grammar struct {
		Stats look `cmd:""`
	}
	return linetest.Run(&grammar, args, environ, stdin)
}

func TestParseControl(t *testing.T) {
	for text, want := range map[string]controlURL{
		"127.0.0.1:7273":           {"tcp", "127.0.0.1:7273", "127.0.0.1:7273", false},
		"unix:/run/castgate.sock":  {"unix", "/run/castgate.sock", "unix", false},
		"http://gate:7273":         {"tcp", "gate:7273", "gate:7273", false},
		"http://gate/":             {"tcp", "gate:80", "gate", false},
		"https://gate":             {"tcp", "gate:443", "gate", true},
		"https://[::1]:7273":       {"tcp", "[::1]:7273", "[::1]:7273", true},
		"HTTPS://gate.example:443": {"tcp", "gate.example:443", "gate.example:443", true},
	} {
		if got, err := parseControl(text); err != nil || *got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"gate":                      "host:port",
		"unix:":                     "no path",
		"ftp://gate":                "ftp://",
		"https://":                  "no host",
		"https://u:secret@gate":     "--control-key",
		"https://gate/v1":           "a path or query",
		"https://gate?key=secret":   "a path or query",
		"https://gate:port":         "not a URL",
		"https://se cret@gate:7273": "not a URL",
	} {
		_, err := parseControl(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A gateway is reached over https once its certificate is trusted.
func TestControlOverTLS(t *testing.T) {
	gateway := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"key":"`+r.Header.Get("Authorization")+`"}`)
	}))
	defer gateway.Close()
	gateway.Config.ErrorLog = nil
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: gateway.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		line []string
		code int
		says string
	}{
		{[]string{"--control", gateway.URL, "--ca-file", ca, "--control-key", "0123456789abcdef"}, 0, `{"key":"Bearer 0123456789abcdef"}`},
		{[]string{"--control", gateway.URL}, 1, "--ca-file names the certificates"},
		{[]string{"--control", strings.TrimPrefix(gateway.URL, "https://")}, 1, "castgate: the control API speaks TLS; use --control " + gateway.URL + "\n"},
		{[]string{"--control", "http://127.0.0.1:1", "--ca-file", ca}, process.ExitUsage, "--ca-file: needs"},
		{[]string{"--control", gateway.URL, "--ca-file", "/none"}, process.ExitUsage, "--ca-file: open /none"},
		{[]string{"--control", gateway.URL, "--client-cert", ca}, process.ExitUsage, "--client-cert: needs --client-key"},
	} {
		code, out, errs := runLook(append([]string{"stats"}, tt.line...), nil, "")
		if code != tt.code || !strings.Contains(out+errs, tt.says) {
			t.Errorf("%v: exit %d, %s%s", tt.line, code, out, errs)
		}
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if code, _, errs := runLook([]string{"stats", "--control", "https://" + plain.Listener.Addr().String()}, nil, ""); code != 1 || errs != "castgate: the control API does not speak TLS; use --control "+plain.URL+"\n" {
		t.Errorf("https to a plain port: exit %d, %s", code, errs)
	}
}

// Who has not started a gateway is told so.
func TestNobodyListens(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	code, _, errs := runLook([]string{"stats", "--control", server.Listener.Addr().String()}, nil, "")
	if code != process.ExitFailed || !strings.Contains(errs, "connection refused; is the gateway running?") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

// A key is never sent to where the gateway's address redirects.
func TestNoRedirect(t *testing.T) {
	asked := false
	gateway := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer gateway.Close()
	elsewhere := httptest.NewServer(http.RedirectHandler(gateway.URL+"/v1/stats", http.StatusTemporaryRedirect))
	defer elsewhere.Close()
	code, _, errs := runLook([]string{"stats", "--control", elsewhere.URL, "--control-key", "0123456789abcdef"}, nil, "")
	if code != 1 || !strings.Contains(errs, "307") || asked {
		t.Errorf("exit %d, %s; asked %v", code, errs, asked)
	}
}

func TestIndentedOnATerminal(t *testing.T) {
	var out bytes.Buffer
	if err := printJSON(&process.Process{Stdout: &out, Terminal: true}, []byte(`{"a":1}`)); err != nil || out.String() != "{\n  \"a\": 1\n}\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
