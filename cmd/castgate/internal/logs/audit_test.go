package logs

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"castgate/internal/wstest"
)

// audited is an audit log whose stderr is a buffer; written waits until
// everything logged is there.
func audited(t *testing.T, format string) (a *Audit, stderr *bytes.Buffer, written func()) {
	t.Helper()
	stderr = &bytes.Buffer{}
	l := New(stderr, format)
	t.Cleanup(func() { l.End("") })
	return NewAudit(l, format), stderr, func() {
		t.Helper()
		if !l.set.Flush(wstest.Patience) {
			t.Fatal("records are not written")
		}
	}
}

func (a *Audit) mustPoint(t *testing.T, to string) {
	t.Helper()
	file, err := a.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	a.Point(to, file)
}

// Records follow the log from stderr into a file, through a rotation of the
// file, and finally nowhere.
func TestAuditLog(t *testing.T) {
	a, stderr, written := audited(t, "json")
	source := a.Source()
	log := slog.New(source)
	log.Info("before the start")
	a.mustPoint(t, auditStderr)
	log.Info("to stderr")
	written()
	path := filepath.Join(t.TempDir(), "audit.log")
	a.mustPoint(t, path)
	log.Info("first")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	log.Info("second")
	written()
	a.mustPoint(t, path)
	log.Info("third")
	a.mustPoint(t, auditOff)
	log.Info("nowhere")
	if source.Enabled(context.Background(), slog.LevelError) {
		t.Error("enabled though it is off")
	}
	wstest.Await(t, func() string { // nothing waits for the previous file
		if n := a.logs.set.Hanging(); n > 0 {
			return "a file is still being written to"
		}
		return ""
	})
	if source.Written() != 4 || source.Dropped() != 0 {
		t.Errorf("%d written, %d dropped", source.Written(), source.Dropped())
	}
	if s := stderr.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, `"to stderr"`) {
		t.Errorf("stderr has %q", s)
	}
	for file, want := range map[string]string{path + ".1": "first second", path: "third"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(text), "\n"); got != len(strings.Fields(want)) {
			t.Errorf("%s has %s", file, text)
		}
		for _, word := range strings.Fields(want) {
			if !strings.Contains(string(text), `"`+word+`"`) {
				t.Errorf("%s has no %s", file, word)
			}
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestWrongAuditLog(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, _ := audited(t, "text")
	for _, to := range []string{t.TempDir(), "/nowhere/audit.log", fifo} {
		if _, err := a.Open(to); err == nil {
			t.Errorf("%s was opened", to)
		}
	}
	if err := CheckAudit("of"); err == nil || !strings.HasPrefix(err.Error(), `"of"`) {
		t.Errorf("%v", err)
	}
}
