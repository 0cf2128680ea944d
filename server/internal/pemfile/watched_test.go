package pemfile

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// textOf loads the content of a file. The content "bad" is an error.
func textOf(file string) Source[string] {
	return Source[string]{Files: []string{file}, Load: func() (*string, error) {
		b, err := os.ReadFile(file)
		if text := string(b); err == nil && text != "bad" {
			return &text, nil
		}
		return nil, errors.Join(err, errors.New("a bad file"))
	}}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWatched(t *testing.T) {
	var log bytes.Buffer
	w := NewWatched[string](slog.New(slog.NewTextHandler(&log, nil)))
	a, b := written(t, "a", []byte("one")), written(t, "b", []byte("two"))
	expect := func(want string, reloads, failures uint64) {
		t.Helper()
		ok, failed := w.Counts()
		if got := *w.Now(); got != want || ok != reloads || failed != failures {
			t.Fatalf("%q after %d reloads and %d failures, want %q, %d, %d", got, ok, failed, want, reloads, failures)
		}
	}
	if _, err := w.Set(textOf(a)); err != nil {
		t.Fatal(err)
	}
	w.Look()
	expect("one", 0, 0)
	put(t, a, "three")
	w.Look()
	w.Look()
	expect("three", 1, 0)
	// A bad file is logged once. An explicit reload that finds it unchanged logs it
	// again.
	put(t, a, "bad")
	w.Look()
	w.Look()
	expect("three", 1, 1)
	if _, err := w.Set(textOf(a)); err == nil {
		t.Error("a bad file was accepted")
	}
	w.Look()
	expect("three", 1, 2)
	// A Set with other files that are bad does not replace the watched files.
	put(t, a, "four")
	put(t, b, "bad")
	if _, err := w.Set(textOf(b)); err == nil {
		t.Error("another bad file was accepted")
	}
	w.Look()
	expect("four", 2, 3)
	put(t, b, "five")
	undo, err := w.Set(textOf(b))
	if err != nil {
		t.Fatal(err)
	}
	expect("five", 3, 3)
	undo()
	put(t, b, "not loaded")
	w.Look()
	expect("four", 3, 3)
	if err := os.Remove(a); err != nil {
		t.Fatal(err)
	}
	w.Look()
	w.Look()
	expect("four", 3, 4)
	if _, err := w.Set(Source[string]{Load: func() (*string, error) { return new(string), nil }}); err != nil {
		t.Error(err)
	}
	expect("", 3, 4) // no files, so nothing to log
	if n := strings.Count(log.String(), "certificates reloaded"); n != 3 {
		t.Errorf("%d lines of reloads:\n%s", n, log.String())
	}
	if n := strings.Count(log.String(), "keeping the previous ones"); n != 4 {
		t.Errorf("%d lines of failures:\n%s", n, log.String())
	}
}

// A pipe in place of a file is an error like any other. It blocks nobody, and the
// file that replaces it is loaded.
func TestWatchedPipe(t *testing.T) {
	certificate, private := signed(t, "a")
	cert, key := written(t, "cert", certificate), written(t, "key", private)
	var log bytes.Buffer
	w := NewWatched[tls.Certificate](slog.New(slog.NewTextHandler(&log, nil)))
	source := Source[tls.Certificate]{Files: []string{cert, key}, Load: func() (*tls.Certificate, error) {
		pair, err := Pair(cert, key)
		return &pair, err
	}}
	if _, err := w.Set(source); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(cert), syscall.Mkfifo(cert, 0o600)); err != nil {
		t.Fatal(err)
	}
	looked := make(chan struct{})
	go func() {
		w.Look()
		close(looked)
	}()
	select {
	case <-looked:
	case <-time.After(20 * time.Second):
		t.Fatal("loading blocks on the pipe")
	}
	if _, err := w.Set(source); err == nil || !strings.Contains(err.Error(), cert+" is not a regular file") {
		t.Errorf("a reload that finds the pipe: %v", err)
	}
	if err := os.Rename(written(t, "new", certificate), cert); err != nil {
		t.Fatal(err)
	}
	w.Look()
	if reloads, failures := w.Counts(); reloads != 1 || failures != 2 {
		t.Errorf("%d reloads, %d failures:\n%s", reloads, failures, log.String())
	}
}

// Watch goes on checking after a bad file, until it is told to stop.
func TestWatch(t *testing.T) {
	w := NewWatched[string](slog.New(slog.DiscardHandler))
	if w.every != Interval {
		t.Errorf("Watch checks every %v", w.every)
	}
	w.every = time.Millisecond
	file := written(t, "a", []byte("one"))
	if _, err := w.Set(textOf(file)); err != nil {
		t.Fatal(err)
	}
	quiet, ended := make(chan struct{}), make(chan struct{})
	go func() {
		w.Watch(quiet)
		close(ended)
	}()
	for i, text := range []string{"longer", "bad", "longer still"} {
		put(t, file, text)
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			// A file that is being written may be loaded twice.
			reloads, failures := w.Counts()
			if *w.Now() == text || text == "bad" && failures > 0 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("change %d was not noticed: %d reloads, %d failures, %q", i, reloads, failures, *w.Now())
			}
		}
	}
	close(quiet)
	<-ended
}
