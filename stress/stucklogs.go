package stress

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"castgate/internal/wstest"
)

var stuckLogs = []Scenario{{
	Name:    "stuck-log",
	Says:    "stderr is a pipe that nobody reads: clients are served, each record is written or reported as lost; SIGTERM",
	prepare: prepareStuckLog,
}, {
	Name:    "stuck-audit",
	Says:    "the audit log is a FIFO that nobody reads; a reload replaces it by a file that is rotated; SIGTERM",
	prepare: prepareStuckAudit,
}}

// floodOfKicks makes more audit records than there is room for.
const floodOfKicks = 25_000

func prepareStuckLog(t *Trial) (wstest.Options, func(*Trial, *site), error) {
	reader, writer, err := os.Pipe()
	t.Must(err == nil, "a pipe: %v", err)
	t.Cleanup(func() { reader.Close(); writer.Close() })
	o := wstest.Options{Stderr: writer, Flags: []string{"--log-level", "debug", "--drain-timeout", "5s"}}
	return o, func(t *Trial, s *site) { stuckLog(t, s, reader) }, nil
}

func stuckLog(t *Trial, s *site, stderr *os.File) {
	served := s.servesDuring(t, func() { kicks(t, s, floodOfKicks) })
	s.OK("POST", "/v1/reload", nil)
	s.OK("POST", "/v1/kick", wstest.To("uids", "one more"))
	m := s.Metrics()
	t.Check(m["castgate_audit_records_dropped_total"] > 0, "there was room for all")
	// The reader of the log reads on. It gets every record that is not reported as
	// lost.
	log := readUntil(t, stderr, func() bool { return s.auditDone() })
	t.records(s, log, floodOfKicks+2)
	kicks(t, s, 5000)
	t.Check(!s.auditDone(), "the pipe has room for thousands of records")
	t.endsBy(s, served)
	readUntil(t, stderr, func() bool { return true }) // the rest is the previous process's
	s.Restart()
	s.settleIn()
}

func prepareStuckAudit(t *Trial) (wstest.Options, func(*Trial, *site), error) {
	dir := t.TempDir()
	config, fifo := filepath.Join(dir, "castgate.toml"), filepath.Join(dir, "fifo")
	t.Must(syscall.Mkfifo(fifo, 0o600) == nil, "no FIFO can be made")
	reader, err := os.OpenFile(fifo, os.O_RDWR|syscall.O_NONBLOCK, 0)
	t.Must(err == nil, "the FIFO: %v", err)
	t.Cleanup(func() { reader.Close() })
	say(t, config, "audit-log = '"+fifo+"'\n")
	o := wstest.Options{Flags: []string{"--config", config, "--drain-timeout", "5s"}}
	return o, func(t *Trial, s *site) { stuckAudit(t, s, reader, config, filepath.Join(dir, "audit.log")) }, nil
}

func stuckAudit(t *Trial, s *site, fifo *os.File, config, file string) {
	served := s.servesDuring(t, func() { kicks(t, s, floodOfKicks) })
	t.Check(s.Metrics()["castgate_audit_records_dropped_total"] > 0, "there was room for all")
	say(t, config, "audit-log = '"+file+"'\n")
	s.OK("POST", "/v1/reload", nil)
	s.Await(func() string {
		if !s.auditDone() || s.Metrics()["castgate_log_writers_hanging"] != 0 {
			return "records wait, or the FIFO is still in use"
		}
		return ""
	})
	// A log rotation while the settings file has an error.
	rotated := file + ".1"
	t.Must(os.Rename(file, rotated) == nil, "the audit file cannot be renamed")
	say(t, config, "audit-log = '"+file+"'\nno-such-setting = 1\n")
	s.Problem(409, "reload_refused", "POST", "/v1/reload", nil)
	kicks(t, s, 100)
	s.Await(func() string {
		if !s.auditDone() {
			return "records wait"
		}
		return ""
	})
	in := readUntil(t, fifo, func() bool { return true })
	before, after := content(t, rotated), content(t, file)
	t.records(s, in+before+after, floodOfKicks+1+1+100)
	t.Equal("records after the rotation", strings.Count(after, "msg=audit"), 101)
	t.Must(os.Remove(rotated) == nil && os.Remove(file) == nil, "the audit files cannot be removed")
	say(t, config, "audit-log = '"+fifo.Name()+"'\n")
	s.OK("POST", "/v1/reload", nil)
	kicks(t, s, 5000)
	t.endsBy(s, served)
	readUntil(t, fifo, func() bool { return true })
	s.Restart()
	s.settleIn()
}

func say(t *Trial, path, text string) {
	t.Must(os.WriteFile(path, []byte(text), 0o600) == nil, "%s cannot be written", path)
}

func content(t *Trial, path string) string {
	text, err := os.ReadFile(path)
	t.Must(err == nil, "%v", err)
	return string(text)
}

// kicks makes n kicks of nobody: one in ten in a request of its own, the others in
// batches.
func kicks(t *Trial, s *site, n int) {
	const most = 900
	batch := `{"commands":[` + strings.TrimSuffix(strings.Repeat(`{"op":"kick","uids":["nobody"]},`, most), ",") + `]}`
	wstest.Parallel(n/(most+100), 4, func(int) {
		status, answer, err := s.TryControl("POST", "/v1/batch", batch)
		replies, _ := answer["replies"].([]any)
		t.Check(err == nil && status == 200 && len(replies) == most, "a batch of kicks: %d, %d replies, %v", status, len(replies), err)
		for _, r := range replies {
			reply, _ := r.(wstest.M)
			t.Check(reply["status"] == 200.0, "a kick was answered %v", r)
		}
		for range 100 {
			one(t, s)
		}
	})
	for range n % (most + 100) {
		one(t, s)
	}
}

func one(t *Trial, s *site) {
	status, _, err := s.TryControl("POST", "/v1/kick", wstest.To("uids", "nobody"))
	t.Check(err == nil && status == 200, "a kick: %d, %v", status, err)
}

// servesDuring makes clients connect, pushes arrive and probes be answered while
// something else happens. It returns clients that stay.
func (s *site) servesDuring(t *Trial, trouble func()) []*wstest.Client {
	var all sync.WaitGroup
	over := make(chan struct{})
	all.Go(func() {
		defer close(over)
		trouble()
	})
	stay := s.crowd(t, 20)
	sent := 0
	for during := true; during || sent < 50; sent++ {
		s.broadcast(numbered(sent, 300))
		status, _, err := s.TryControl("GET", "/livez", nil)
		t.Check(err == nil && status == 200, "/livez: %d, %v", status, err)
		t.within(func(t *Trial) { s.crowd(t, 1) })
		select {
		case <-over:
			during = false
		default:
		}
	}
	all.Wait()
	for _, c := range stay {
		c.Await(sent)
		t.all("a client that stayed", numbersOf(c), sent)
		s.addReceived(sent)
	}
	return stay
}

// auditDone reports whether every audit record is written or lost.
func (s *site) auditDone() bool { return s.Metrics()["castgate_audit_records_waiting"] == 0 }

var notWritten = regexp.MustCompile(`action=lost key=- from=- records_not_written=(\d+)\n`)

// records checks that a log contains every record of this process, or reports it as
// lost.
func (t *Trial) records(s *site, log string, made int) {
	m := s.Metrics()
	told, there := 0, 0
	for line := range strings.Lines(log) {
		if lost := notWritten.FindStringSubmatch(line); lost != nil {
			n, _ := strconv.Atoi(lost[1])
			told += n
		} else if strings.Contains(line, "msg=audit") {
			there++
			t.Check(strings.HasPrefix(line, "time=") && strings.Count(line, "msg=") == 1, "a record is not on a line of its own: %q", line)
		}
	}
	t.Equal("records that were made", int(m["castgate_audit_records_total"]), made)
	t.Equal("records written or reported as lost", there+told, made)
	t.Equal("records reported as lost, as counted", told, int(m["castgate_audit_records_dropped_total"]))
	t.Equal("records written, as counted", there, int(m["castgate_audit_records_written_total"]))
}

// endsBy sends SIGTERM and checks that nothing delays the end.
func (t *Trial) endsBy(s *site, clients []*wstest.Client) {
	t.Equal("exit code after SIGTERM", s.Stop(), 0)
	for _, c := range clients {
		code, reason := c.Ended()
		t.Check(code == 1001, "a client was closed with %d %q", code, reason)
	}
}

// readUntil reads until done says that nothing more will be written.
func readUntil(t *Trial, from *os.File, done func() bool) string {
	var got bytes.Buffer
	chunk := make([]byte, 64<<10)
	for begun := time.Now(); ; {
		_ = from.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := from.Read(chunk)
		got.Write(chunk[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) && done() {
			// Read what was written before done returned true.
			_ = from.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			for err = nil; err == nil; {
				n, err = from.Read(chunk)
				got.Write(chunk[:n])
			}
			return got.String()
		}
		t.Must(err == nil || errors.Is(err, os.ErrDeadlineExceeded), "reading: %v", err)
		t.Must(time.Since(begun) < wstest.Patience, "records still wait, %d bytes were read", got.Len())
	}
}
