package e2e

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// Every scenario of loadtest through TLS: nothing is lost, and both sides count the
// same handshakes, including resumed ones. Few connect at once: on a busy machine 200
// handshakes together take longer than --handshake-timeout.
func loadtestSecure(t *testing.T, program string) {
	g, ca, _ := startSecure(t)
	shakes := 0
	for _, r := range playAll(t, program, g, "--url", "wss://"+g.Listeners["wss"]+"/", "--ca-file", ca.File, "--resume", "--in-flight", "32") {
		p := r.Report
		if p.Handshakes < r.Connections-r.Mixed.SlowReaders.Readers || p.Deflated != 0 {
			t.Errorf("%s: %+v", r.Scenario, p)
		}
		if r.Scenario == "storm" && (p.Handshakes != 2*r.Connections || p.Resumed < r.Connections) {
			t.Errorf("storm: %+v", p)
		}
		shakes += p.Handshakes
	}
	m := g.Metrics()
	full, resumed := m[`castgate_tls_handshakes_total{result="full"}`], m[`castgate_tls_handshakes_total{result="resumed"}`]
	// Slow readers in mixed have a report of their own.
	if all := int(full + resumed); all < shakes || all > shakes+5 || resumed == 0 {
		t.Errorf("the gateway counts %v full and %v resumed handshakes, the swarm %d", full, resumed, shakes)
	}
}

// The same with compressed messages: each client inflates and checks what is pushed
// to many.
func loadtestCompressed(t *testing.T, program string) {
	ca := wstest.NewAuthority(t)
	site := ca.Issue("site")
	g := wstest.StartWith(t, wstest.Options{Schemes: []string{"wss"}, Flags: []string{
		"--tls-cert", site.Cert, "--tls-key", site.Key, "--compress", "--compress-min", "100",
	}})
	for _, scheme := range []string{"wss", "ws"} {
		url := []string{"--url", "ws://" + g.Addr + "/"}
		if scheme == "wss" {
			url = []string{"--url", "wss://" + g.Listeners["wss"] + "/", "--ca-file", ca.File}
		}
		for _, size := range []string{"64", "1024", "300000"} {
			args := append([]string{"broadcast", "-n", "50", "--duration", "300ms", "--rate", "20", "--size", size, "--compress"}, url...)
			code, r, log := play(t, g, program, args...)
			p := r.Report
			if code != 0 || p.Received == 0 || p.Received != p.Expected || p.Lost+p.Duplicates+p.Reordered+p.Corrupt != 0 {
				t.Fatalf("%s, %s bytes: exit code %d, %+v\n%s", scheme, size, code, r, log)
			}
			if want := p.Received; size == "64" && p.Deflated != 0 || size != "64" && p.Deflated != want {
				t.Errorf("%s, %s bytes: %d of %d messages came compressed", scheme, size, p.Deflated, want)
			}
		}
	}
	g.Settled(t)
}

// If a swarm cannot connect, one line says why.
func loadtestSecureRefused(t *testing.T, program string) {
	g, _, _ := startSecure(t)
	stranger := wstest.NewAuthority(t)
	secure, plain := "wss://"+g.Listeners["wss"]+"/", "wss://"+g.Addr+"/"
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"the system's authorities": {[]string{"--url", secure}, "certificate signed by unknown authority (--ca-file"},
		"another authority":        {[]string{"--url", secure, "--ca-file", stranger.File}, "(--ca-file with its authority"},
		"no TLS there":             {[]string{"--url", plain, "--insecure", "--timeout", "2s"}, "TLS handshake"},
		"TLS there":                {[]string{"--url", "ws://" + g.Listeners["wss"] + "/"}, "this port speaks TLS"},
	} {
		var stderr bytes.Buffer
		cmd := exec.Command(program, append([]string{"connect", "-n", "3", "--settle", "0", "--no-progress"}, c.args...)...)
		cmd.Stderr = &stderr
		if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%s: %v, %s", name, err, stderr.String())
		}
	}
	g.AwaitMetric("castgate_connections", 0)
}
