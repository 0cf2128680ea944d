package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"castgate/internal/wstest"
)

// proxied are the samples of deploy/proxies that are tried with the real program: what
// castgate must be told, and how the program is started.
var proxied = map[string]struct {
	file, listen, path string
	flags              []string
	command            func(file, dir string) []string
}{
	"nginx": {
		file: "nginx.conf", listen: "listen 80;", path: "/push/",
		flags: []string{"--trusted-proxies=127.0.0.1"},
		// One process: a worker would outlive its master, which a test kills.
		command: func(file, dir string) []string {
			return []string{"-p", dir, "-c", file, "-e", "stderr", "-g", "daemon off; master_process off; error_log stderr; pid " + dir + "/pid;"}
		},
	},
	"haproxy": {
		file: "haproxy.cfg", listen: "bind :80", path: "/",
		flags:   []string{"--proxy-protocol", "--trusted-proxies=127.0.0.1"},
		command: func(file, _ string) []string { return []string{"-db", "-f", file} },
	},
}

// Through each proxy a client connects with its own address, gets a push, and stays.
func TestProxySamples(t *testing.T) {
	t.Parallel()
	for name, p := range proxied {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := exec.LookPath("/usr/sbin/" + name)
			switch {
			case err != nil && os.Getenv("CI") == "true":
				t.Fatal(err)
			case err != nil:
				t.Skip("not installed; ci/deps.sh installs it")
			}
			g := wstest.Start(t, p.flags...)
			text, err := os.ReadFile(filepath.Join(wstest.Root(t), "deploy/proxies", p.file))
			if err != nil {
				t.Fatal(err)
			}
			address := wstest.FreeAddr(t)
			config := strings.Replace(string(text), "127.0.0.1:7272", g.Addr, 1)
			config = strings.Replace(config, p.listen, strings.Replace(strings.Replace(p.listen, ":80", address, 1), " 80", " "+address, 1), 1)
			// As many connections as a test machine allows files for.
			config = strings.Replace(config, "maxconn 100000", "maxconn 100", 1)
			if !strings.Contains(config, address) || !strings.Contains(config, g.Addr) {
				t.Fatalf("%s has neither port:\n%s", p.file, config)
			}
			dir := t.TempDir()
			file := filepath.Join(dir, p.file)
			if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
				t.Fatal(err)
			}
			wstest.Spawn(t, exec.Command(program, p.command(file, dir)...))
			c, id := throughProxy(t, "ws://"+address+p.path)
			if from := fmt.Sprint(g.OK("GET", "/v1/clients/"+id, nil)["remote_addr"]); !strings.HasPrefix(from, "127.0.0.9:") {
				t.Errorf("the client's address is %s", from)
			}
			if n := g.Push(wstest.To("client_ids", id), "through "+name); n != 1 {
				t.Errorf("%d clients match", n)
			}
			ctx, cancel := context.WithTimeout(t.Context(), wstest.Patience)
			defer cancel()
			if _, message, err := c.Read(ctx); err != nil || string(message) != "through "+name {
				t.Errorf("%q, %v", message, err)
			}
		})
	}
}

// throughProxy connects from 127.0.0.9, once the proxy is there and knows castgate.
func throughProxy(t *testing.T, url string) (c *websocket.Conn, id string) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
	wstest.Await(t, func() string {
		ctx, cancel := context.WithTimeout(t.Context(), wstest.Patience)
		defer cancel()
		var err error
		if c, _, err = websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client}); err != nil {
			return err.Error()
		}
		_, first, err := c.Read(ctx)
		var init struct {
			ClientID string `json:"client_id"`
		}
		if err == nil {
			err = json.Unmarshal(first, &init)
		}
		if err != nil {
			return err.Error()
		}
		id = init.ClientID
		return ""
	})
	t.Cleanup(func() { c.CloseNow() })
	return c, id
}
