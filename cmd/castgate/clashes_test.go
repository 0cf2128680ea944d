package main

import (
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
)

// Two of our own listeners on the same port are found before any is opened,
// wherever they come from, without false alarms.
func TestClashes(t *testing.T) {
	const key = "--control-key=abcdefghijklmnopqrstuvwxyz"
	for _, tt := range []struct {
		args string
		want string
	}{
		{"--listen text://:7273", "--control: 127.0.0.1:7273 is already used by listen :7273"},
		{"--listen 127.0.0.1:7273", "--control: 127.0.0.1:7273 is already used by listen 127.0.0.1:7273"},
		{"--listen localhost:7273", "--control: "}, {"--listen [::]:7273", "--control: "}, {"--listen 0.0.0.0:7273", "--control: "},
		{"--listen :7272,frame://:7273", "--control: "},
		{"--control 127.0.0.1:7272", "--control: 127.0.0.1:7272 is already used by listen :7272"},
		{"--control :7272 " + key, "--control: "}, {"--control [::]:7000 --listen 10.0.0.1:7000 " + key, "--control: "},
		{"--gatewayworker-inner 127.0.0.1:7272", "--gatewayworker-inner: 127.0.0.1:7272 is already used by listen :7272"},
		{"--gatewayworker-inner 127.0.0.1:7273", "--gatewayworker-inner: 127.0.0.1:7273 is already used by control 127.0.0.1:7273"},
		{"--gatewayworker-inner 127.0.0.1:2900 --gatewayworker-register 127.0.0.1:2900", "--gatewayworker-register: 127.0.0.1:2900 is already used by gatewayworker-inner"},
		{"--gatewayworker-inner 127.0.0.1:2900 --gatewayworker-register 127.0.0.1:7273", "--gatewayworker-register: "},
		{"--gatewayworker-inner 127.0.0.1:2900 --gatewayworker-join 127.0.0.1:2900", "--gatewayworker-join: 127.0.0.1:2900 is this gateway's gatewayworker-inner"},
		{"--gatewayworker-inner 127.0.0.1:2900 --gatewayworker-join localhost:7273", "--gatewayworker-join: "},
		{"--gatewayworker-inner 127.0.0.1:2900 --gatewayworker-join 127.0.0.1:7272", "--gatewayworker-join: "},
		{"--listen 127.0.0.1:7272 --control 127.0.0.2:7272", ""}, {"--control unix:/run/castgate.sock --listen :7273", ""},
		{"--listen 127.0.0.1:0 --control 127.0.0.1:0", ""}, {"--listen text://:7274,frame://:7275,tcp://:7276", ""},
		{"--gatewayworker-inner 127.0.0.1:2900 --gatewayworker-register 127.0.0.1:1236 --gatewayworker-join 127.0.0.1:1236", ""},
		{"--gatewayworker-inner 127.0.0.1:2900 --gatewayworker-join 10.0.0.9:7272", ""},
		{"--gatewayworker-inner 127.0.0.1:2900 --gatewayworker-join 10.0.0.9:2900", ""},
	} {
		_, err := resolved(t, strings.Fields(tt.args), nil)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.args, err, tt.want)
		}
	}
	file := linetest.File(t, "castgate.toml", "listen = 'text://:7273'\ncontrol = 'localhost:7273'\n", 0o600)
	_, err := resolved(t, []string{"--config", file}, nil)
	if want := "--control: localhost:7273 is already used by listen :7273 (" + file + ":2)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// Settings that cannot be reached, or have no effect, are refused.
func TestSettingsWithoutEffect(t *testing.T) {
	for args, want := range map[string]string{
		"--control 127.0.0.1:99999": `--control: "127.0.0.1:99999" has a port that is not from 0 to 65535`,
		"--control 127.0.0.1:":      "--control: ", "--control localhost:nosuch": "--control: ", "--control 127.0.1:7273 --control-key abcdefghijklmnopq": "--control: ",
		"--control unix:/" + strings.Repeat("a", 107):           "--control: the path has 108 bytes",
		"--control unix:/run/c.sock --control-allow 127.0.0.1":  "--control-allow: has no effect with a unix socket",
		"--control-key abcdefghijklmnopqr,s,abcdefghijklmnopqr": "--control-key: keys 1 and 3 are the same",
		"--listen 300.1.1.1:80":                                 `--listen: "300.1.1.1:80" has a host that is neither an address nor a name`,
		"--listen a!:80":                                        "--listen: ", "--listen b\u00fccher.example:80": "--listen: ",
		"--gatewayworker-ping-data x":                                         "--gatewayworker-ping-data: has no effect without gatewayworker-ping-interval",
		"--gatewayworker-ping-limit 3":                                        "--gatewayworker-ping-limit: has no effect without gatewayworker-ping-interval",
		"--gatewayworker-ping-interval 9s":                                    "--gatewayworker-ping-interval: has no effect without",
		"--gatewayworker-inner 127.0.0.1:2900 --gatewayworker-join a!b:1":     "--gatewayworker-join: ",
		"--gatewayworker-inner 127.0.0.1:2900 --gatewayworker-join 0.0.0.0:1": "--gatewayworker-join: ",
		"--trusted-proxies 0.0.0.0":                                           `--trusted-proxies: "0.0.0.0" is not an address that connections come from; write 0.0.0.0/0 for all`,
		"--trusted-proxies ::":                                                "--trusted-proxies: ", "--trusted-proxies 224.0.0.1": "--trusted-proxies: ", "--trusted-proxies ff00::/8": "--trusted-proxies: ",
		"--trusted-proxies ::ffff:10.0.0.0/104":   `--trusted-proxies: "::ffff:10.0.0.0/104" is a mapped IPv4 network; write 10.0.0.0/8`,
		"--trusted-proxies 10.0.0.0/8,10.9.9.9/8": `--trusted-proxies: "10.0.0.0/8" and "10.9.9.9/8" are the same network`,
		"--control-allow 127.0.0.1,127.0.0.1/32":  "--control-allow: ",
		"--jwt-secret @":                          "--jwt-secret: has no path after its @",
		"--control-key @":                         "--control-key: item 1 has no path after its @",
		"--node 0x10":                             `--node: "0x10" is not a whole number`, "--loops 1_0": "--loops: ", "--loops 2.0": "--loops: ",
	} {
		if _, err := resolved(t, strings.Fields(args), nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	if e, err := resolved(t, []string{"--node", "010", "--control-allow", "10.0.0.0/8,127.0.0.0/16"}, nil); err != nil || e.server.Node != 10 {
		t.Errorf("%v, node %d", err, e.server.Node)
	}
	e, err := resolved(t, []string{"--control", "localhost:1", "--control-allow", "10.0.0.0/8,fd00::/8"}, nil)
	if err != nil || len(e.warnings) != 1 || !strings.HasPrefix(e.warnings[0], "control-allow: no network contains a loopback address") {
		t.Errorf("a control port that nobody reaches: %v, %+v", err, e)
	}
	e, err = resolved(t, []string{"--trusted-proxies", "10.1.2.3/8"}, nil)
	if err != nil || len(e.warnings) != 1 || e.warnings[0] != "trusted-proxies: 10.1.2.3/8 is treated as 10.0.0.0/8" {
		t.Errorf("bits beyond a prefix: %v, %+v", err, e)
	}
}

// Settings of what backends are told and asked: what has no effect, or is there twice.
func TestSettingsOfBackends(t *testing.T) {
	secret := func(c string) string { return "whsec_" + strings.Repeat(c, 32) }
	for args, want := range map[string]string{
		"--connect-url http://a/,http://b/":                                                             "--connect-url: it is more than one URL",
		"--connect-url http://a/x,HTTPS://b/":                                                           "--connect-url: it is more than one URL",
		"--connect-url http://a,b/":                                                                     "--connect-url: it is more than one URL",
		"--connect-url http://a/?rooms=1,2 --events-secret " + secret("a"):                              "",
		"--events-url http://a/ --events-full close":                                                    "--events-full: has no effect without on-message=forward",
		"--events-dir /tmp/x --events-full close":                                                       "--events-full: has no effect without on-message=forward",
		"--events-url http://a/ --events-full close --on-message forward":                               "",
		"--events-url http://a/ --events all,connected":                                                 `--events: all has "connected" in it`,
		"--events-url http://a/ --events connected,all":                                                 `--events: all has "connected" in it`,
		"--events-url http://a/ --events bound,unbound,bound":                                           `--events: "bound" is there twice`,
		"--events-url http://a/ --events all,all":                                                       `--events: "all" is there twice`,
		"--events-url http://a/ --events-secret " + secret("a") + "," + secret("a"):                     "--events-secret: secrets 1 and 2 are the same",
		"--connect-url http://a/ --events-secret " + secret("a") + "," + secret("a"):                    "--events-secret: secrets 1 and 2 are the same",
		"--events-url http://a/ --events-secret " + secret("a") + "," + secret("b"):                     "",
		"--events-url http://a/ --events-secret " + secret("a") + "," + secret("b") + "," + secret("c"): "--events-secret: 3 secrets are more than 2",
	} {
		if _, err := resolved(t, strings.Fields(args), nil); want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	for args, want := range map[string]int{"": 1, "--events-secret " + secret("a"): 0} {
		e, err := resolved(t, strings.Fields("--connect-url http://a/ "+args), nil)
		if err != nil || len(e.warnings) != want || want > 0 && !strings.HasPrefix(e.warnings[0], "connect-url is asked without a signature") {
			t.Errorf("%s: %v, %q", args, err, e.warnings)
		}
	}
}
