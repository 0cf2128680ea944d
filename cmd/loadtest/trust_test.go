package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// secureServer speaks TLS and compresses; the file holds the certificate to
// trust.
func secureServer(t *testing.T) (url, caFile string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: 1})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		_ = conn.Write(r.Context(), websocket.MessageText, []byte(`{"type":"init","client_id":"one"}`))
		for err == nil {
			_, _, err = conn.Read(r.Context())
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not trust it
	s.StartTLS()
	t.Cleanup(s.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return "wss" + strings.TrimPrefix(s.URL, "https"), caFile
}

func TestTrust(t *testing.T) {
	url, ca := secureServer(t)
	plain := server(t, true)
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"a stranger":       {[]string{"--url", url}, exitFaulty, "unknown authority (--ca-file with its authority, or --insecure)"},
		"insecure":         {[]string{"--url", url, "--insecure"}, exitOK, "3 connections open"},
		"authority":        {[]string{"--url", url, "--ca-file", ca}, exitOK, "3 connections open"},
		"compressed":       {[]string{"--url", url, "--ca-file", ca, "--compress"}, exitOK, "3 connections open"},
		"both":             {[]string{"--url", plain, "--url", url, "--insecure"}, exitOK, "3 connections open"},
		"HTTP":             {[]string{"--url", strings.Replace(plain, "ws:", "wss:", 1)}, exitFaulty, "speaks plain HTTP: use a ws:// URL"},
		"no such file":     {[]string{"--url", url, "--ca-file", ca + "x"}, exitUsage, "--ca-file: open "},
		"no certificate":   {[]string{"--url", url, "--ca-file", junk}, exitUsage, "--ca-file: no certificate in " + junk},
		"trust for nobody": {[]string{"--url", plain, "--insecure"}, exitUsage, "need a wss:// URL"},
		"contradiction":    {[]string{"--url", url, "--insecure", "--ca-file", ca}, exitUsage, "use either it or --ca-file"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append([]string{"connect", "-n", "3", "--settle", "0"}, c.args...), &stdout, &stderr)
			if code != c.code || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", code, c.code, stdout.String(), stderr.String())
			}
		})
	}
}

// A result mentions TLS and compression, and the process that listens at a wss
// URL is found.
func TestTrustIsTold(t *testing.T) {
	url, _ := secureServer(t)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"connect", "-n", "4", "--settle", "0", "--in-flight", "1", "--json", "--url", url, "--insecure", "--resume", "--compress"}, &stdout, &stderr)
	var r struct {
		Server struct{ PID int }
		Report struct {
			Deflated, Texts int
			Handshakes      int `json:"tls_handshakes"`
			Resumed         int `json:"tls_resumed"`
		}
	}
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v\n%s\n%s", code, err, stdout.String(), stderr.String())
	}
	if r.Report.Handshakes != 4 || r.Report.Resumed == 0 || r.Report.Resumed > 3 || r.Report.Deflated == 0 || r.Server.PID != os.Getpid() {
		t.Errorf("%+v", r)
	}
	stdout.Reset()
	if code := run(t.Context(), []string{"connect", "-n", "2", "--settle", "0", "--url", url, "--insecure"}, &stdout, &stderr); code != exitOK || !strings.Contains(stdout.String(), "2, 0 of them resumed") {
		t.Errorf("exit code %d\n%s", code, stdout.String())
	}
}
