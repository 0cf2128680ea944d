package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"castgate/internal/wstest"
)

// Metrics of the log and the audit log.
const (
	logWritten   = "castgate_log_lines_written_total"
	logDropped   = "castgate_log_lines_dropped_total"
	auditWritten = "castgate_audit_records_written_total"
	auditDropped = "castgate_audit_records_dropped_total"
	auditWaiting = "castgate_audit_records_waiting"
)

// pipe is a pipe that nobody reads until the test reads from reader.
func pipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close(); writer.Close() })
	return reader, writer
}

// kicks makes n kicks, in batches. Each one writes one audit record.
func kicks(t *testing.T, g *wstest.Gateway, n int) {
	t.Helper()
	const most = 5000
	for ; n > 0; n -= most {
		commands := strings.Repeat(`{"op":"kick","uids":["nobody"]},`, min(n, most))
		answer := g.OK("POST", "/v1/batch", `{"commands":[`+strings.TrimSuffix(commands, ",")+`]}`)
		for _, reply := range answer["replies"].([]any) {
			if number(reply.(M)["status"]) != 200 {
				t.Fatalf("a kick was answered %v", reply)
			}
		}
	}
}

// works requires that clients, pushes, probes and a reload are served.
func works(t *testing.T, g *wstest.Gateway) {
	t.Helper()
	c := g.Dial(t)
	g.Push(wstest.To("client_ids", c.ID), "still here")
	c.Expect("still here")
	for _, probe := range []string{"/livez", "/readyz"} {
		resp, err := g.Request("GET", probe, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("%s answers %d", probe, resp.StatusCode)
		}
	}
	g.OK("POST", "/v1/reload", nil)
}

var notWritten = regexp.MustCompile(`records_not_written=(\d+)`)

// records returns the number of records in a log, and how many it reports as lost.
func records(log string) (there, lost int) {
	for _, m := range notWritten.FindAllStringSubmatch(log, -1) {
		n, _ := strconv.Atoi(m[1])
		lost += n
	}
	return strings.Count(log, "msg=audit action=") - strings.Count(log, "msg=audit action=lost"), lost
}

// TestStderrThatNobodyReads: a hanging log collector blocks nothing. When it reads
// on, each record is there or reported as lost.
func TestStderrThatNobodyReads(t *testing.T) {
	t.Parallel()
	const asked = 25_000
	reader, writer := pipe(t)
	g := wstest.StartWith(t, wstest.Options{Stderr: writer, Flags: []string{"--log-level", "debug"}})
	kicks(t, g, asked)
	works(t, g)
	m := g.Metrics()
	if m[auditDropped] == 0 || m[auditWaiting] == 0 {
		t.Errorf("%v dropped, %v wait of %d", m[auditDropped], m[auditWaiting], asked)
	}
	var log bytes.Buffer
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(&log, reader) })
	g.AwaitMetric(auditWaiting, 0)
	g.OK("POST", "/v1/kick", M{"uids": []string{"the last"}})
	m = g.Metrics()
	if code := g.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	writer.Close()
	reading.Wait()
	got, lost := records(log.String())
	if all := asked + 2; got+lost != all || lost != int(m[auditDropped]) { // a reload, the last
		t.Errorf("%d records are in the log, %d reported as lost, %v counted, of %d", got, lost, m[auditDropped], all)
	}
	if text := log.String(); !strings.Contains(text, `uids="[the last]"`) || !strings.HasSuffix(text, "msg=stopped\n") {
		t.Errorf("the end of the log is not there: %.300q", text[max(0, len(text)-300):])
	}
}

// TestStopWhileNobodyReads: neither a full pipe nor one without a reader delays the
// end or changes the exit code.
func TestStopWhileNobodyReads(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	_, stuck := pipe(t)
	gone, closed := pipe(t)
	gone.Close()
	for name, stderr := range map[string]*os.File{"a full pipe": stuck, "a closed pipe": closed, "/dev/full": full} {
		g := wstest.StartWith(t, wstest.Options{Stderr: stderr, Flags: []string{"--log-level", "debug"}})
		kicks(t, g, 2000)
		works(t, g)
		if stderr != stuck {
			wstest.Await(t, func() string {
				if m := g.Metrics(); m[auditWaiting] > 0 || m[auditDropped] < 2000 || m[logDropped] == 0 {
					return fmt.Sprintf("%s: %v records and %v lines were dropped", name, m[auditDropped], m[logDropped])
				}
				return ""
			})
		}
		if code := g.Stop(); code != 0 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
	// A crash prints the stacks of all goroutines before it ends the process.
	crashing := wstest.StartWith(t, wstest.Options{Stderr: stuck})
	kicks(t, crashing, 2000)
	crashing.Expected()
	crashing.Signal(syscall.SIGQUIT)
	if code := crashing.Exited(t, wstest.Patience); code != 2 {
		t.Errorf("a crash: exit code %d, want 2", code)
	}
	// A start that must fail, into the full pipe.
	cmd := wstest.Command(t, "serve", "--no-such-flag")
	cmd.Stderr = stuck
	if code := wstest.Spawn(t, cmd).Exited(t, wstest.Patience); code != 2 {
		t.Errorf("a wrong flag: exit code %d, want 2", code)
	}
}

// TestAuditFIFO: a FIFO that nobody reads blocks nothing. A reload replaces it by a
// file, which gets the records that were not written yet.
func TestAuditFIFO(t *testing.T) {
	t.Parallel()
	const asked = 5000
	dir := t.TempDir()
	config, fifo, file := filepath.Join(dir, "castgate.toml"), filepath.Join(dir, "fifo"), filepath.Join(dir, "audit.log")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	write(t, config, "audit-log = '"+fifo+"'\n")
	g := wstest.Start(t, "--config", config)
	kicks(t, g, asked)
	works(t, g)
	if m := g.Metrics(); m[auditWaiting] == 0 || m[auditDropped] > 0 {
		t.Errorf("%v records wait, %v were dropped", m[auditWaiting], m[auditDropped])
	}
	write(t, config, "audit-log = '"+file+"'\n")
	expectFields(t, g.OK("POST", "/v1/reload", nil), M{"changed": "[audit-log]", "needs_restart": "[]"})
	g.AwaitMetric(auditWaiting, 0)
	g.AwaitMetric("castgate_log_writers_hanging", 0)
	g.OK("POST", "/v1/kick", M{"uids": []string{"the last"}})
	if code := g.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	early, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	late, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	inFIFO, _ := records(string(early))
	inFile, lost := records(string(late))
	all := asked + 3 // two reloads, the last
	if inFIFO+inFile != all || lost != 0 || inFIFO == 0 || inFile < asked/2 {
		t.Errorf("%d records are in the FIFO, %d in the file, %d lost, of %d", inFIFO, inFile, lost, all)
	}
	if !strings.Contains(string(late), `uids="[the last]"`) {
		t.Error("the last record is not in the file")
	}
}

// TestStopWithStuckAudit: the FIFO does not delay the end either.
func TestStopWithStuckAudit(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	g := wstest.Start(t, "--audit-log", fifo)
	kicks(t, g, 3000)
	if code := g.Stop(); code != 0 || !strings.HasSuffix(g.Log(), "msg=stopped\n") {
		t.Errorf("exit code %d", code)
	}
}

// TestFullDisk: records that a full disk refuses are counted. After a record that
// was written in part, the next one begins on a line of its own.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "audit.log")
	g := wstest.Start(t, "--audit-log", file)
	written := 0
	for _, room := range []int{0, 1, 50, 100, 250} {
		kicks(t, g, 1)
		written++
		g.AwaitMetric(auditWritten, float64(written))
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		limit(t, g.PID(), uint64(info.Size()+int64(room)))
		kicks(t, g, 10)
		wstest.Await(t, func() string { // how many of them fit depends on their length
			m := g.Metrics()
			if m[auditWaiting] == 0 && int(m[auditWritten]+m[auditDropped])%11 == 0 {
				written = int(m[auditWritten])
				return ""
			}
			return "records wait"
		})
		limit(t, g.PID(), unix.RLIM_INFINITY)
	}
	kicks(t, g, 1)
	g.AwaitMetric(auditWritten, float64(written+1))
	m := g.Metrics()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, lost := 0, 0
	for line := range strings.Lines(string(text)) {
		if strings.Count(line, "msg=audit") > 1 || strings.Count(line, "time=") > 1 {
			t.Errorf("two records in a line: %q", line)
		}
		if k, l := records(line); strings.HasSuffix(line, " kicked=0\n") || l > 0 {
			got, lost = got+k, lost+l
		}
	}
	if got != int(m[auditWritten]) || lost != int(m[auditDropped]) || lost == 0 {
		t.Errorf("%d kicks are in the file, %d reported as lost; counted %v and %v", got, lost, m[auditWritten], m[auditDropped])
	}
}

// limit bounds the size of the files that a process writes.
func limit(t *testing.T, pid int, size uint64) {
	t.Helper()
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
}

// TestRotationWithATypo: a reload that is refused still reopens the audit file.
func TestRotationWithATypo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, file := filepath.Join(dir, "castgate.toml"), filepath.Join(dir, "audit.log")
	good := "audit-log = '" + file + "'\n"
	write(t, config, good)
	g := wstest.Start(t, "--config", config)
	for n, wrong := range []string{"lop-level = 'debug'\n", "loops = 0\n", "audit-log = '/nowhere/audit.log'\n", "not TOML", ""} {
		kicks(t, g, 1)
		g.AwaitMetric(auditWritten, float64(3*n+1))
		if err := os.Rename(file, file+".1"); err != nil {
			t.Fatal(err)
		}
		text := good + wrong
		if strings.HasPrefix(wrong, "audit-log") {
			text = wrong
		}
		write(t, config, text)
		want := 409
		if wrong == "" {
			want = 200
		}
		if status, answer := g.Control("POST", "/v1/reload", nil); status != want {
			t.Errorf("%q: %d %v", wrong, status, answer)
		}
		kicks(t, g, 1)
		g.AwaitMetric(auditWritten, float64(3*n+3))
		for path, want := range map[string]string{file + ".1": "kick", file: "reload kick"} {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, action := range strings.Fields(want) {
				if strings.Count(string(text), "action="+action) < 1 {
					t.Errorf("%q: %s has no %s:\n%s", wrong, path, action, text)
				}
			}
		}
	}
}
