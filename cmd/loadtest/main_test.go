package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// server sends the init message if init is set, and reads.
func server(t *testing.T, init bool) string {
	if init {
		return serverSaying(t, `{"type":"init","client_id":"one"}`)
	}
	return serverSaying(t, "")
}

// serverSaying sends a first message, if there is one, and reads.
func serverSaying(t *testing.T, first string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		if first != "" {
			_ = conn.Write(r.Context(), websocket.MessageText, []byte(first))
		}
		for err == nil {
			_, _, err = conn.Read(r.Context())
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func TestCommandLine(t *testing.T) {
	with, without, strange := server(t, true), server(t, false), serverSaying(t, "hello")
	for name, c := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"help":                 {[]string{"--help"}, exitOK, "ws://127.0.0.1:7272/); repeat", ""},
		"help of a scenario":   {[]string{"unicast", "--help"}, exitOK, "--rate=100", ""},
		"no scenario":          {nil, exitUsage, "", "expected one of"},
		"unknown flag":         {[]string{"idle", "--bogus"}, exitUsage, "", "--bogus"},
		"bad source":           {[]string{"idle", "--source", "x"}, exitUsage, "", `source "x"`},
		"connect":              {[]string{"connect", "-n", "20", "--settle", "0", "--url", with}, exitOK, "connect, 20 connections", "20 connections open"},
		"idle without init":    {[]string{"idle", "--duration", "1ms", "-n", "2", "--settle", "0", "--no-init", "--url", without}, exitOK, "idle, 2 connections", ""},
		"no init message":      {[]string{"connect", "-n", "1", "--timeout", "50ms", "--url", without}, exitFaulty, "", "no init message after"},
		"size out of range":    {[]string{"unicast", "--size", "3", "--url", with}, exitFaulty, "", "size: 3 is not between 59"},
		"misspelt flag":        {[]string{"broadcast", "--rat", "3"}, exitUsage, "", `did you mean "--rate"? (see loadtest --help)`},
		"misspelt scenario":    {[]string{"brodcast"}, exitUsage, "", `did you mean "broadcast"?`},
		"not a number":         {[]string{"broadcast", "--rate", "fast"}, exitUsage, "", "--rate: expected a float"},
		"members and clients":  {[]string{"group", "-n", "7", "--members", "3"}, exitUsage, "", "--clients 7 is not --groups 10 times --members 3"},
		"members":              {[]string{"group", "--members=-3"}, exitUsage, "", "--members: -3"},
		"groups":               {[]string{"storm", "-n", "7", "--groups", "8"}, exitUsage, "", "8 groups are more than the 7 connections"},
		"init to a stranger":   {[]string{"connect", "-n", "1", "--url", strange}, exitFaulty, "", "no client_id: no init message: “hello” (a server other than castgate? then --no-init)"},
		"nobody listens":       {[]string{"connect", "-n", "1", "--url", "ws://127.0.0.1:1"}, exitFaulty, "", "connection refused (nothing listens there)"},
		"too few ports":        {[]string{"connect", "-n", "70000", "--url", with}, exitFaulty, "", "connections do not fit"},
		"unicast without ids":  {[]string{"unicast", "--no-init", "--url", without}, exitFaulty, "", "need client ids"},
		"the limit":            {[]string{"idle", "-n", "1", "--limit", "50ms", "--url", with}, exitFaulty, "scenario ", "not done after 50ms"},
		"several of both":      {[]string{"connect", "-n", "8", "--settle", "0", "--source", "127.0.0.2-127.0.0.4", "--url", with, "--url", server(t, true)}, exitOK, "connect, 8 connections", ""},
		"no control API there": {[]string{"broadcast", "-n", "1", "--settle", "0", "--control", "127.0.0.1:1", "--url", with}, exitFaulty, "", "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), c.args, &stdout, &stderr)
			if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", code, c.code, stdout.String(), stderr.String())
			}
		})
	}
}

func TestJSON(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"connect", "-n", "3", "--settle", "0", "--json", "--url", server(t, true)}, &stdout, &stderr)
	var r struct {
		Scenario string
		Report   struct{ Open int }
	}
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || code != exitOK || r.Scenario != "connect" || r.Report.Open != 3 {
		t.Errorf("exit code %d, %v\n%s", code, err, stdout.String())
	}
}
