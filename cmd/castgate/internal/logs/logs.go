// Package logs is what the gateway writes for people: its log and the audit log, which nothing
// waits for.
package logs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"castgate/cmd/castgate/internal/linequeue"
	"castgate/cmd/castgate/internal/process"
)

// Limits of waiting lines. There is room for audit records of ten thousand
// kicks while a disk is stuck.
var (
	logRoom   = linequeue.Limits{Lines: 4096, Bytes: 1 << 20}
	auditRoom = linequeue.Limits{Lines: 16_384, Bytes: 4 << 20}
)

// exitPatience is how long the end of the program waits for the reader of its
// last lines.
const exitPatience = time.Second

// Logs are what serve writes for people: the log and the audit records. Nothing
// waits for their readers.
type Logs struct {
	set     *linequeue.Set
	stderr  *linequeue.Writer
	lines   *linequeue.Queue // of the log, to stderr
	records *linequeue.Queue // of the audit log
}

// New makes the queues of the log, which goes to stderr from now on, and of
// the audit log, which has no destination yet.
func New(stderr io.Writer, format string) *Logs {
	l := &Logs{set: linequeue.NewSet()}
	l.lines = l.set.Queue(logRoom, func(lost uint64) []byte {
		return lineOf(format, "log lines were lost: their reader is too slow or gone", slog.Uint64("lines", lost))
	})
	l.records = l.set.Queue(auditRoom, func(lost uint64) []byte {
		return lineOf(format, "audit", slog.String("action", "lost"), slog.String("key", "-"), slog.String("from", "-"),
			slog.Uint64("records_not_written", lost))
	})
	l.stderr = l.set.Writer(stderr)
	l.lines.Point(l.stderr)
	return l
}

// Queue puts queues before stderr: from then on nothing waits for its
// reader.
func Queue(p *process.Process, format string) *Logs {
	if p.Stderr == io.Writer(os.Stderr) {
		loosenStderr()
	}
	l := New(p.Stderr, format)
	p.Stderr, p.End = l.lines, l.End
	return l
}

// loosenStderr keeps a crash from waiting for the reader of stderr: the runtime
// writes the stacks of goroutines to it before it ends the process. If stderr
// is a pipe, it is reopened for us alone and non-blocking. If that is not
// permitted, nothing changes.
func loosenStderr() {
	var info unix.Stat_t
	if unix.Fstat(unix.Stderr, &info) != nil || info.Mode&unix.S_IFMT != unix.S_IFIFO {
		return
	}
	fd, err := unix.Open("/proc/self/fd/2", unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_ = unix.Dup3(fd, unix.Stderr, 0)
	_ = unix.Close(fd)
}

// lineOf is one line of a log, a warning.
func lineOf(format, message string, attrs ...slog.Attr) []byte {
	var line bytes.Buffer
	r := slog.NewRecord(time.Now(), slog.LevelWarn, message, 0)
	r.AddAttrs(attrs...)
	_ = newHandler(&line, format, nil).Handle(context.Background(), r)
	return line.Bytes()
}

// End writes the last line, if there is one, and waits a moment until
// everything is written.
func (l *Logs) End(last string) {
	begun := time.Now()
	l.set.Flush(exitPatience) // otherwise there may be no room for the line
	if last != "" {
		fmt.Fprintln(l.lines, last)
	}
	l.set.Flush(exitPatience - time.Since(begun))
	l.records.Point(nil)
	l.lines.Point(nil)
}

var (
	descLogWritten   = prometheus.NewDesc("castgate_log_lines_written_total", "Log lines written.", nil, nil)
	descLogDropped   = prometheus.NewDesc("castgate_log_lines_dropped_total", "Log lines lost because the queue was full or stderr did not accept them.", nil, nil)
	descLogWaiting   = prometheus.NewDesc("castgate_log_lines_waiting", "Log lines waiting to be written.", nil, nil)
	descAuditWritten = prometheus.NewDesc("castgate_audit_records_written_total", "Audit records written.", nil, nil)
	descAuditDropped = prometheus.NewDesc("castgate_audit_records_dropped_total", "Audit records lost because the queue was full or the file did not accept them.", nil, nil)
	descAuditWaiting = prometheus.NewDesc("castgate_audit_records_waiting", "Audit records waiting to be written.", nil, nil)
	descHanging      = prometheus.NewDesc("castgate_log_writers_hanging", "Abandoned audit log files that still hang.", nil, nil)
)

// Describe implements prometheus.Collector.
func (l *Logs) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(l, out) }

// Collect implements prometheus.Collector. It may be called from any goroutine.
func (l *Logs) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n))
	}
	gauge := func(d *prometheus.Desc, n int) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	counter(descLogWritten, l.lines.Written())
	counter(descLogDropped, l.lines.Dropped())
	gauge(descLogWaiting, l.lines.Waiting())
	counter(descAuditWritten, l.records.Written())
	counter(descAuditDropped, l.records.Dropped())
	gauge(descAuditWaiting, l.records.Waiting())
	gauge(descHanging, l.set.Hanging())
}
