package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/process"
)

// runView runs a command line of tail or top.
func runView(args, environ []string, stdin string) (code int, stdout, stderr string) {
	return linetest.Run(new(Views), args, environ, stdin)
}

// tailed runs castgate tail against a port that tells some lines and ends.
func tailed(t *testing.T, line []string, told ...string) (code int, out, errs string, asked *http.Request) {
	t.Helper()
	port := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/login" {
			if r.Header.Get("Origin") != "http://"+r.Host {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			http.SetCookie(w, &http.Cookie{Name: "castgate-admin-1", Value: "here", Path: "/"})
			fmt.Fprint(w, "{}")
			return
		}
		asked = r
		for _, l := range told {
			fmt.Fprintln(w, l)
		}
	}))
	t.Cleanup(port.Close)
	code, out, errs = runView(append([]string{"tail", "--admin", port.URL}, line...), nil, "")
	return code, out, errs, asked
}

// A tail is a line for each happening, in which a name cannot pass for something else;
// what was dropped is said.
func TestTail(t *testing.T) {
	code, out, errs, asked := tailed(t, []string{"--control-key=k", "--uid=a b", "--group=g"},
		`{"events":[],"dropped":0}`,
		`{"events":[{"at":1700000000000,"kind":"connect","client_id":"c1","remote_addr":"10.0.0.1:5","user_agent":"x\nend"},{"at":1700000000000,"kind":"bind","client_id":"c1","uid":"a b","previous_uid":"z"}],"dropped":0}`,
		`{"events":[{"at":1700000000000,"kind":"push","to":{"uids":["\u001b[31m"],"all":true},"names":9,"matched":3,"bytes":5},{"at":1700000000000,"kind":"end","client_id":"c1","end":{"reason":"slow","code":1008,"queued_frames":2,"queued_bytes":9}}],"dropped":7}`)
	if code != process.ExitFailed || !strings.Contains(errs, "7 more were dropped") || !strings.HasSuffix(errs, "the gateway has ended the tail\n") {
		t.Errorf("exit %d, %q", code, errs)
	}
	var got []string
	for line := range strings.Lines(out) {
		got = append(got, strings.TrimSuffix(line[strings.Index(line, " ")+1:], "\n"))
	}
	want := []string{
		`connect client=c1 from=10.0.0.1:5 agent="x\nend"`,
		`bind    client=c1 uid="a b" before=z`,
		`push    all uid="\x1b[31m" and 8 more matched=3 bytes=5`,
		`end     client=c1 reason=slow code=1008 queued_frames=2 queued_bytes=9`,
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("printed\n%q\nwant\n%q", got, want)
	}
	if asked.Header.Get("Authorization") != "Bearer k" || asked.URL.Query().Get("uid") != "a b" || asked.URL.Query().Has("address") {
		t.Errorf("asked %v %v", asked.URL, asked.Header)
	}
}

// What is wrong with the way to the admin page is said of it, and of its flags.
func TestTailThatGetsNowhere(t *testing.T) {
	keyed := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"code":"logged_out","detail":"log in with a key of the control API"}`)
	})
	plain, secure, gone := httptest.NewServer(keyed), httptest.NewUnstartedServer(keyed), httptest.NewServer(nil)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	gone.Close()
	defer plain.Close()
	defer secure.Close()
	host := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--admin", host(secure)}, 1, "the admin page speaks TLS; use --admin https://" + host(secure) + "\n"},
		{[]string{"--admin", host(secure), "--control-key", "k"}, 1, "the admin page speaks TLS; use --admin https://" + host(secure) + "\n"},
		{[]string{"--admin", "https://" + host(plain)}, 1, "the admin page does not speak TLS; use --admin http://" + host(plain) + "\n"},
		{[]string{"--admin", host(gone)}, 1, "connection refused; is the gateway running? castgate serve --admin HOST:PORT starts it with its admin page, and --admin names another address\n"},
		{[]string{"--admin", host(plain)}, 1, "log in with a key of the control API; --control-key gives it (logged_out, 401)\n"},
		{[]string{"--admin", host(plain), "--control-key", "k"}, 1, "log in with a key of the control API (logged_out, 401)\n"},
		{[]string{"--admin", "https://" + host(secure)}, 1, "--ca-file names the certificates to trust\n"},
		{[]string{"--admin", "ftp://here"}, process.ExitUsage, "castgate: --admin: ftp:// is not supported"},
		{[]string{"--admin", host(plain), "--ca-file", "none"}, process.ExitUsage, "castgate: --ca-file: needs --admin https://"},
	} {
		code, out, errs := runView(append([]string{"tail"}, tt.args...), nil, "")
		if code != tt.code || out != "" || !strings.Contains(errs, tt.says) {
			t.Errorf("%q: exit %d, %q, %q", tt.args, code, out, errs)
		}
	}
	if _, _, errs := runView([]string{"top", "--control", host(gone)}, nil, ""); !strings.HasSuffix(errs, "castgate serve starts it, and --control names another address\n") {
		t.Errorf("top: %q", errs)
	}
}

// A gateway that is killed, and one that hangs, are named.
func TestTailOfWhoHasGone(t *testing.T) {
	port := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `{"events":[],"dropped":0}`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer port.Close()
	code, _, errs := runView([]string{"tail", "--control-key=k", "--admin", port.URL}, nil, "")
	if host := port.Listener.Addr().String(); code != process.ExitFailed || !strings.Contains(errs, "the gateway at "+host+" has gone") {
		t.Errorf("exit %d, %q", code, errs)
	}

	from, to := io.Pipe()
	defer to.Close()
	go fmt.Fprintln(to, `{"events":[],"dropped":0}`)
	var out, told bytes.Buffer
	p := &process.Process{Stdout: &out, Stderr: &told}
	if err := new(tailCommand).print(p, from, 50*time.Millisecond); !errors.Is(err, errSilent) {
		t.Errorf("%v", err)
	}
}

// Without keys the program logs in as the page does; its JSON is that of the port.
func TestTailWithoutKeys(t *testing.T) {
	event := `{"at":1,"kind":"unbind","client_id":"c","previous_uid":"ann"}`
	code, out, _, asked := tailed(t, []string{"--json"}, `{"events":[`+event+`],"dropped":0}`)
	if cookie, err := asked.Cookie("castgate-admin-1"); code != process.ExitFailed || out != event+"\n" || err != nil || cookie.Value != "here" {
		t.Errorf("exit %d, %q, %v", code, out, asked.Header)
	}
	if code, _, errs, _ := tailed(t, nil, `{`); code != process.ExitFailed || !strings.Contains(errs, "not JSON") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

// top shows counters, and their rates from the second look on.
func TestTop(t *testing.T) {
	looks := 0
	port := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		looks++
		fmt.Fprintf(w, `{"connections":%d,"max_conns":100,"uids":1,"groups":2,"started_at":"2026-01-02T03:04:05Z","handshakes":{"ok":%d},"closes":{"kicked":%d,"slow":0},"dropped":{"slow":2},"loop_lag_seconds":0.0015,"complete":false}`, looks, 10*looks, looks)
	}))
	defer port.Close()
	code, out, errs := runView([]string{"top", "--control", port.URL, "--every=100ms", "--count=2"}, nil, "")
	if code != 0 || errs != "" || strings.Count(out, "castgate node 0") != 2 {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	first, second, _ := strings.Cut(out[1:], "castgate node")
	for _, want := range []string{"1 of 100", "connects         -", "1.5 ms", "closed kicked    -, 1 in all", "some nodes did not answer"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first look lacks %q:\n%s", want, first)
		}
	}
	if !strings.Contains(second, "2 of 100") || strings.Contains(second, "connects         -") || strings.Contains(out, "closed slow") {
		t.Errorf("the second look:\n%s", second)
	}
	var screen bytes.Buffer
	p := process.Process{Stdout: &screen, Stderr: &screen, Terminal: true}
	if code := commandline.Run([]string{"top", "--control", port.URL, "--count=1"}, p, func([]string) any { return new(Views) }); code != 0 || !strings.HasPrefix(screen.String(), "\x1b[H\x1b[2Jcastgate node 0") {
		t.Errorf("on a terminal: exit %d, %q", code, screen.String())
	}
	for _, line := range [][]string{{"top", "--every=1ms"}, {"top", "--count=-1"}, {"top", "--count=x"}} {
		if code, _, _ := runView(line, nil, ""); code != process.ExitUsage {
			t.Errorf("%q: exit %d", line, code)
		}
	}
}
