package main

import (
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/process"
)

// What is wrong with the settings of a cluster is told in one line that names the
// setting, and never shows a secret.
func TestClusterSettings(t *testing.T) {
	const secret = "--cluster-secret=0123456789abcdef"
	for flags, want := range map[string]string{
		"--cluster-nats=nats://127.0.0.1:4222":                   "--cluster-nats: has no effect without cluster-secret",
		"--cluster-listen=127.0.0.1:6222":                        "--cluster-listen: has no effect without cluster-secret",
		"--cluster-secret=short --cluster-listen=127.0.0.1:6222": "--cluster-secret: the secret has 5 bytes; at least 16 are needed",
		"--cluster-secret=@/nowhere":                             "--cluster-secret: open /nowhere",
		secret:                                                   "--cluster-secret: needs cluster-nats or cluster-listen",
		secret + " --cluster-listen=127.0.0.1:6222 --cluster-nats=nats://127.0.0.1:4222": "--cluster-listen: contradicts cluster-nats",
		secret + " --cluster-nats=nats://127.0.0.1:4222 --cluster-peers=127.0.0.1:1":     "--cluster-peers: has no effect with cluster-nats",
		secret + " --cluster-nats=nats://10.0.0.1:4222":                                  "--cluster-nats: 10.0.0.1:4222 is not on this host",
		secret + " --cluster-nats=http://127.0.0.1:4222":                                 "--cluster-nats: \"http://127.0.0.1:4222\" is not a URL such as",
		secret + " --cluster-nats=nats://a:hunter2@127.0.0.1:4222":                       "--cluster-nats: the URL holds a password",
		secret + " --cluster-listen=0.0.0.0:6222":                                        "--cluster-listen: 0.0.0.0:6222 is not on this host",
		secret + " --cluster-listen=6222":                                                "--cluster-listen: \"6222\" is not host:port",
		secret + " --cluster-listen=127.0.0.1:6222 --cluster-peers=node2:6222":           "--cluster-peers: node2:6222 is not on this host",
		secret + " --cluster-listen=127.0.0.1:6222 --cluster-lease=1h":                   "--cluster-lease: 1h0m0s is not between 500ms and 1m0s",
		secret + " --cluster-listen=127.0.0.1:6222 --cluster-name=a.b":                   "--cluster-name: \"a.b\" is not 1 to 64 letters",
		secret + " --cluster-listen=127.0.0.1:6222 --cluster-nats-nkey=/nowhere":         "--cluster-nats-nkey: has no effect without cluster-nats",
		secret + " --cluster-nats=nats://127.0.0.1:4222 --cluster-nats-nkey=/nowhere":    "--cluster-nats-nkey: open /nowhere",
		secret + " --cluster-listen=127.0.0.1:6222 --cluster-tls-cert=testdata/x.pem":    "--cluster-tls-cert: needs cluster-tls-key",
		secret + " --cluster-nats=tls://10.0.0.1:4222 --cluster-tls-ca=/nowhere":         "--cluster-tls-ca: open /nowhere",
		secret + " --cluster-listen=127.0.0.1:7273":                                      "--cluster-listen: 127.0.0.1:7273 is already used by control",
	} {
		code, _, errs := runIn(append([]string{"config", "check"}, strings.Fields(flags)...), nil, "")
		if code != process.ExitUsage || !strings.Contains(errs, want) || strings.Contains(errs, "hunter2") || strings.Contains(errs, "0123456789abcdef") {
			t.Errorf("%s: %d %s, want %s", flags, code, errs, want)
		}
	}
	for _, flags := range []string{
		secret + " --cluster-listen=127.0.0.1:6222 --cluster-peers=localhost:6222,[::1]:6222",
		secret + " --cluster-nats=nats://10.0.0.1:4222,nats://10.0.0.2 --cluster-insecure-network=10.0.0.0/8",
		secret + " --cluster-nats=tls://nats.example.com:4222",
		secret + " --cluster-listen=0.0.0.0:6222 --cluster-peers=node2:6222 --cluster-insecure-network=10.0.0.0/8",
	} {
		if code, out, errs := runIn(append([]string{"config", "check"}, strings.Fields(flags)...), nil, ""); code != 0 || out != "ok\n" {
			t.Errorf("%s: %d %s %s", flags, code, out, errs)
		}
	}
	code, out, _ := runIn([]string{"config", "print", secret, "--cluster-listen=127.0.0.1:6222"}, nil, "")
	if code != 0 || !strings.Contains(out, "# cluster-secret = (given, not shown)\n") || strings.Contains(out, "0123456789abcdef") {
		t.Errorf("%d %s", code, out)
	}
}

// A file may hold two secrets while they are changed.
func TestClusterSecretFile(t *testing.T) {
	for text, want := range map[string]int{"0123456789abcdef\n": 1, "0123456789abcdef\n\nfedcba9876543210\n": 2, "": 0, "0123456789abcdef\n0123456789abcdee\n0123456789abcded\n": 0} {
		path := linetest.File(t, "secret", text, 0o600)
		e, err := resolved(t, []string{"--cluster-secret=@" + path, "--cluster-listen=127.0.0.1:6222"}, nil)
		if want == 0 {
			if err == nil {
				t.Errorf("%q is accepted", text)
			}
			continue
		}
		if err != nil || len(e.cluster.keys) != want || !e.cluster.on() || e.server.ClientIDs == nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	path := linetest.File(t, "secret", "0123456789abcdef", 0o644)
	e, err := resolved(t, []string{"--cluster-secret=@" + path, "--cluster-listen=127.0.0.1:6222"}, nil)
	if err != nil || len(e.warnings) != 1 || !strings.Contains(e.warnings[0], "can be read by others") {
		t.Errorf("%v", err)
	}
}

// Without a secret there is no cluster, and nothing of one.
func TestNoCluster(t *testing.T) {
	e, err := resolved(t, nil, nil)
	if err != nil || e.cluster.on() || e.server.ClientIDs != nil {
		t.Errorf("%+v, %v", e.cluster, err)
	}
	node, refused, err := newClustered(e, nil, nil, nil)
	if node != nil || refused != nil || err != nil || !node.joined() {
		t.Errorf("%v %v %v", node, refused, err)
	}
}
