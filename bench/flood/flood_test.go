package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Every kind reaches a server, and reports how often.
func TestKinds(t *testing.T) {
	t.Setenv(stoodBack, "1") // otherwise the test would restart itself
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it would log every reset
	s.StartTLS()
	defer s.Close()
	for _, kind := range []string{"connects", "hellos", "handshakes"} {
		attack, err := attackOf(kind)
		if err != nil {
			t.Fatal(err)
		}
		if err := once(s.Listener.Addr().String(), attack); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	var out bytes.Buffer
	ends, end := io.Pipe()
	go func() { _ = end.Close() }()
	if err := run(s.Listener.Addr().String(), "connects", 2, ends, &out); err != nil {
		t.Fatal(err)
	}
	var good, bad int
	if _, err := fmt.Sscan(out.String(), &good, &bad); err != nil {
		t.Errorf("%q: %v", out.String(), err)
	}
}

func TestWrongWords(t *testing.T) {
	for _, test := range []struct {
		kind    string
		workers int
		says    string
	}{{"floods", 1, "floods"}, {"hellos", 0, "workers"}, {"hellos", 5000, "workers"}} {
		if err := run("127.0.0.1:1", test.kind, test.workers, strings.NewReader(""), io.Discard); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestHello(t *testing.T) {
	b := helloOf(&tls.Config{InsecureSkipVerify: true})
	if len(b) < 100 || b[0] != 22 || int(b[3])<<8+int(b[4]) != len(b)-5 {
		t.Errorf("no record of a handshake: %x", b)
	}
}
