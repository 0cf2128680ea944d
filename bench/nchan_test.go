package bench

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/loadtest/control"
)

// answering is nchan's publisher location, with a fixed answer.
func answering(t *testing.T, status int, body string) control.Pusher {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/publish" || r.Header.Get("Accept") != "text/json" || string(text) != "payload" {
			t.Errorf("%s %s %v %q", r.Method, r.URL, r.Header, text)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(api.Close)
	return publishNchan(api.Listener.Addr().String(), 1)
}

func TestPublishNchan(t *testing.T) {
	for _, status := range []int{http.StatusCreated, http.StatusAccepted} {
		push := answering(t, status, `{"messages": 3, "requested": 0, "subscribers": 42, "last_message_id": "1:0" }`)
		if r, err := push(t.Context(), 0, []byte("payload")); err != nil || r != (control.PushResult{Matched: 42, Queued: 42}) {
			t.Errorf("%+v, %v", r, err)
		}
	}
	for status, body := range map[int]string{201: "queued messages: 5", 202: `{"messages":1}`} {
		if _, err := answering(t, status, body)(t.Context(), 0, []byte("payload")); err == nil || !strings.Contains(err.Error(), "not the state of a channel") {
			t.Errorf("%v", err)
		}
	}
	var refused *control.RefusedError
	if _, err := answering(t, 507, "no memory")(t.Context(), 0, []byte("payload")); !errors.As(err, &refused) || refused.Status != 507 || refused.Body != "no memory" {
		t.Errorf("%v", err)
	}
	if _, err := publishNchan("127.0.0.1:1", 1)(t.Context(), 0, nil); err == nil || !strings.HasPrefix(err.Error(), "nchan: ") {
		t.Errorf("%v", err)
	}
}

func TestPrepareNchan(t *testing.T) {
	dir := t.TempDir()
	args, err := prepareNchan(dir, "127.0.0.1:11", "127.0.0.1:12")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"listen 127.0.0.1:11 reuseport", "listen 127.0.0.1:12;", "pid " + dir + "/"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "<") || len(args) == 0 {
		t.Errorf("%q,\n%s", args, text)
	}
	if _, err := prepareNchan(filepath.Join(dir, "nonesuch"), "", ""); err == nil {
		t.Error("it wrote into a directory that is not there")
	}
}

// If nginx is not in PATH or anywhere else, it is skipped with advice.
func TestNginxMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	path, err := findNginx(t.Context(), "", "")
	var skip *SkipError
	if err == nil {
		if _, err := os.Stat(path); err != nil { // it is where users' PATHs do not go
			t.Error(err)
		}
	} else if !errors.As(err, &skip) || skip.Server != Nchan || !strings.Contains(err.Error(), "apt-get install "+nchanPackages) {
		t.Errorf("%v", err)
	}
}
