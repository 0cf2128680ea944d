package e2e

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"castgate/internal/wstest"
)

// phpScript runs one of our PHP scripts, which check their results themselves. If
// the script fails, the test fails with its output.
func phpScript(t *testing.T, script string, env []string, arguments ...string) string {
	t.Helper()
	cmd := exec.Command(program(t, "php", "php-cli"), append([]string{filepath.Join(wstest.Root(t), script)}, arguments...)...)
	cmd.Env = append(os.Environ(), env...)
	p := wstest.Spawn(t, cmd)
	if code := p.Exited(t, 4*wstest.Patience); code != 0 {
		t.Fatalf("%s ended with %d and printed\n%s", script, code, p.Log())
	}
	return p.Log()
}

// controlEnv is the environment that tells a PHP script where the control API is.
func controlEnv(g *wstest.Gateway) []string {
	return []string{"CASTGATE_CONTROL=" + g.ControlAddr, "CASTGATE_CONTROL_KEY=" + g.Key}
}

// scenarioTexts are the messages that the clients of clients/php/tests/scenario.php
// get, where several targets of one call get one copy.
var scenarioTexts = [3][]string{
	{"hello", "m1", "m2", "m5", `{"type":"x","n":1}`, `{"中\/":1.5}`, "5", "null", "1", "", "one", "to many",
		"g", "gg", "gz", "g0", "the end", "bye"},
	{"hello", "m3", "m4", "m5", `{"type":"x","n":1}`, `{"中\/":1.5}`, "5", "null", "1", "", "to bob", "to many", "dup", "assoc",
		"g", "g7", "gg", "gx", "gy", "gz", "g0", "the end"},
	{"hello", "m1", "m3", "m4", "m5", `{"type":"x","n":1}`, `{"中\/":1.5}`, "5", "null", "1", "", "to many", "the end"},
}

// TestPHPClientCalls makes every call of GatewayClient with clients/php, over TCP
// and over a unix socket.
func TestPHPClientCalls(t *testing.T) {
	t.Parallel()
	program(t, "php", "php-cli")
	for name, flags := range map[string][]string{
		"tcp":  {"--control-key", controlKey},
		"unix": {"--control-key", controlKey, "--control", "unix:" + filepath.Join(t.TempDir(), "control.sock")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: flags})
			clients := []*wstest.Client{g.Dial(t), g.Dial(t), g.Dial(t)}
			t.Log(phpScript(t, "clients/php/tests/calls.php", controlEnv(g), ids(clients)...))
			for i, c := range clients {
				c.Expect(scenarioTexts[i]...)
				c.ExpectClose(1000, "")
				if n := len(c.Messages()); n != len(scenarioTexts[i]) {
					t.Errorf("client %d got %d messages, want %d", i, n, len(scenarioTexts[i]))
				}
			}
		})
	}
}

// TestPHPClientBatch: many calls in few requests, in their order.
func TestPHPClientBatch(t *testing.T) {
	t.Parallel()
	program(t, "php", "php-cli")
	g := wstest.Start(t)
	a, b := g.Dial(t), g.Dial(t)
	phpScript(t, "clients/php/tests/batch.php", controlEnv(g), a.ID, b.ID)
	a.Expect("to the group", "to ann", "before", "after")
	for i := range 100 {
		a.Expect(label("number", i))
	}
	a.ExpectBinary("\xff\x00")
	a.Expect("")
	a.ExpectClose(1000, "")
	b.Expect("to the group", "to bert")
	b.ExpectBinary("\xfe")
	b.ExpectClose(1000, "")
}

// TestPHPClientErrors: exceptions carry the problem's code, and all calls to one
// address with one key share a connection.
func TestPHPClientErrors(t *testing.T) {
	t.Parallel()
	program(t, "php", "php-cli")
	g := wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: []string{"--control-key", controlKey}})
	address, accepted := countingProxy(t, g)
	phpScript(t, "clients/php/tests/errors.php", nil, controlKey, address)
	// Three keys, twice a return from another address or key, one after the refused
	// body, and the forked child's.
	if n := accepted.Load(); n < 4 || n > 8 {
		t.Errorf("%d connections for some 220 calls, want 4 to 8", n)
	}
}

// countingProxy forwards connections to the control port and counts them.
func countingProxy(t *testing.T, g *wstest.Gateway) (address string, accepted *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	accepted = new(atomic.Int64)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			out, err := g.DialControl()
			if err != nil {
				in.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
	}()
	return l.Addr().String(), accepted
}

// TestPHPClientTLS: an https:// address, with an authority that is configured for
// curl.
func TestPHPClientTLS(t *testing.T) {
	t.Parallel()
	program(t, "php", "php-cli")
	g := wstest.Start(t)
	g.Dial(t)
	front := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: g.ControlAddr}))
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // for the client that does not know the authority
	front.StartTLS()
	defer front.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	phpScript(t, "clients/php/tests/tls.php", nil, front.URL, authority)
}

// TestPHPSyntax: php -l of every PHP file in the tree.
func TestPHPSyntax(t *testing.T) {
	t.Parallel()
	php := program(t, "php", "php-cli")
	var files []string
	for _, pattern := range []string{"clients/php/*.php", "clients/php/tests/*.php", "clients/php/src/*.php", "clients/php/src/*/*.php", "examples/laravel/*/*.php", "examples/laravel/app/*/*.php", "examples/laravel/app/*/*/*.php", "examples/*/*.php", "e2e/testdata/*.php"} {
		found, err := filepath.Glob(filepath.Join(wstest.Root(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if !slices.ContainsFunc(files, func(f string) bool { return filepath.Base(f) == "Castgate.php" }) {
		t.Fatal("clients/php/Castgate.php is not among the files")
	}
	for _, number := range []int{4, 5} { // parts of an application's files
		code := documented(t, "clients/php/README.md", `Castgate\Client`, number)
		if strings.HasPrefix(code, "'") {
			code = "return [" + code + "];"
		}
		files = append(files, phpFile(t, code))
	}
	for _, number := range []int{1, 2} {
		files = append(files, phpFile(t, documented(t, "clients/php/README.md", "GatewayClient's calls over HTTP", number)))
	}
	for _, f := range files {
		if out, err := exec.Command(php, "-l", f).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", f, err, out)
		}
	}
}

// phpFile is a file of code of the documentation.
func phpFile(t *testing.T, code string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "documented.php")
	if err := os.WriteFile(file, []byte("<?php\n"+code), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
