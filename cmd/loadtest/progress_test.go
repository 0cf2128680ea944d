package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/loadtest"
)

// asProgram makes the test's binary the program itself, so that tests can start
// it as a process.
const asProgram = "LOADTEST_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// screen keeps what a process writes.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until it shows text.
func (s *screen) await(t *testing.T, text string) {
	t.Helper()
	for range 6_000 {
		if strings.Contains(s.String(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it never said %q: %q", text, s.String())
}

// program starts the program.
func program(t *testing.T, stdout, stderr io.Writer, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// Ctrl-C ends a run with what was measured: table or JSON, page, and no fault.
func TestInterrupt(t *testing.T) {
	url := server(t, true)
	for name, c := range map[string]struct {
		flags []string
		check func(stdout string) error
	}{
		"table": {nil, func(stdout string) error {
			if !strings.Contains(stdout, "idle, 5 connections") || !strings.Contains(stdout, "still open") {
				return fmt.Errorf("no table")
			}
			return nil
		}},
		"JSON": {[]string{"--json"}, func(stdout string) error {
			r, err := loadtest.ReadRecord(strings.NewReader(stdout))
			if err == nil && (r.Report.Open != 5 || r.Fault != "" || !json.Valid([]byte(stdout))) {
				err = fmt.Errorf("%d open, fault %q", r.Report.Open, r.Fault)
			}
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			page := filepath.Join(t.TempDir(), "report.html")
			var stdout bytes.Buffer
			var stderr screen
			cmd := program(t, &stdout, &stderr, append([]string{"idle", "-n", "5", "--settle", "0", "--duration", "1h", "--html", page, "--url", url}, c.flags...)...)
			stderr.await(t, "holding for")
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v, %s", err, stderr.String())
			}
			if err := c.check(stdout.String()); err != nil {
				t.Errorf("%v\n%s", err, stdout.String())
			}
			if text, err := os.ReadFile(page); err != nil || !bytes.Contains(text, []byte("Connections open")) {
				t.Errorf("%v: %d bytes", err, len(text))
			}
		})
	}
}

// openTerminal makes a pseudo-terminal; what is written to slave comes out of
// master.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// On a terminal there is a bar, with --no-progress there is none, and neither
// gets into the result.
func TestBarOnATerminal(t *testing.T) {
	url := server(t, true)
	for _, quiet := range []bool{false, true} {
		master, slave := openTerminal(t)
		var shown screen
		go func() { _, _ = io.Copy(&shown, master) }()
		args := []string{"idle", "-n", "3", "--settle", "0", "--duration", "1h", "--json", "--url", url}
		if quiet {
			args = append(args, "--no-progress")
		}
		var stdout bytes.Buffer
		cmd := program(t, &stdout, slave, args...)
		shown.await(t, "holding for")
		if quiet {
			time.Sleep(300 * time.Millisecond) // a bar would show by now
		} else {
			shown.await(t, "3 open")
			shown.await(t, "0%")
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %q", err, shown.String())
		}
		if quiet && strings.Contains(shown.String(), "%") {
			t.Errorf("there is a bar: %q", shown.String())
		}
		if _, err := loadtest.ReadRecord(&stdout); err != nil {
			t.Error(err)
		}
	}
}

// Without a terminal, lines appear at most once a second, and never with quiet.
func TestLines(t *testing.T) {
	var w bytes.Buffer
	p := newProgress(&w, false)
	for i := range 100 {
		p.update(loadtest.Progress{Open: i, Connections: 200})
	}
	if w.Len() > 0 {
		t.Errorf("lines within the first second: %q", w.String())
	}
	back := func(d time.Duration) { p.began, p.next = p.began.Add(-d), p.next.Add(-d) }
	back(time.Second)
	p.update(loadtest.Progress{Open: 100, Connections: 200})
	p.update(loadtest.Progress{Open: 101, Connections: 200})
	p.update(loadtest.Progress{Measuring: true, Open: 200}) // starts again
	back(time.Minute)
	p.update(loadtest.Progress{Measuring: true, Open: 200, Elapsed: 61 * time.Second, For: time.Minute, Received: 5, Expected: 7})
	back(5 * time.Second) // after a minute they come every six seconds
	p.update(loadtest.Progress{Measuring: true, Open: 200})
	back(2 * time.Second)
	p.update(loadtest.Progress{Measuring: true, Open: 200, Elapsed: 68 * time.Second})
	p.log("done")
	p.close()
	p.update(loadtest.Progress{Measuring: true})
	want := "100 of 200 open\n200 open, 5 of 7 messages, 1m0s of 1m0s\n200 open, 1m8s\ndone\n"
	if w.String() != want {
		t.Errorf("%q, want %q", w.String(), want)
	}
}
