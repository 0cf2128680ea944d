package swarm

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"castgate/loadtest/internal/oneline"
	"castgate/loadtest/proc"
)

// OpenError is the reason why not all connections of a swarm could be opened. Open gives
// up at the first failure.
type OpenError struct {
	Wanted, Opened int
	// Err is what happened to the first connection that failed.
	Err error
	// Report is what was seen until then. Nil after Swarm.Reopen.
	Report *Report
}

// Error implements the error interface.
func (e *OpenError) Error() string {
	return fmt.Sprintf("opened %d of %d connections, then: %v", e.Opened, e.Wanted, e.Err)
}

// Unwrap returns Err.
func (e *OpenError) Unwrap() error { return e.Err }

// FilesError means that the open-file limit of this process has no room for the
// requested connections.
type FilesError struct {
	Wanted int
	// Fits is how many connections there is room for.
	Fits int
	// Limit is the open-file limit.
	Limit uint64
}

// Error implements the error interface.
func (e *FilesError) Error() string {
	return fmt.Sprintf("%d connections do not fit: the limit of %d open files leaves room for %d. "+
		"Raise it (ulimit -n, LimitNOFILE=, docker --ulimit nofile=) or run several swarms",
		e.Wanted, e.Limit, e.Fits)
}

// ErrNoInit: the server's first message is not an init message, or none
// arrived. Config.NoInit is for servers that send none.
var ErrNoInit = errors.New("no init message")

// errNoID is the error of a first message that is not an init message.
var errNoID = fmt.Errorf("the first message has no client_id: %w", ErrNoInit)

// tooLate is the end of a connection that has waited too long for the server.
func tooLate(p phase, age time.Duration) error {
	age = age.Round(time.Millisecond)
	if p == phaseInit {
		return fmt.Errorf("%w after %v, though the handshake is done", ErrNoInit, age)
	}
	return fmt.Errorf("%s after %v", p.waitingFor(), age)
}

// errHungUp ends a connection whose handshake is incomplete.
func errHungUp(head []byte) error {
	if len(head) == 0 {
		return errors.New("the server closed the connection without answering the handshake")
	}
	return fmt.Errorf("the server closed the connection in the middle of its answer to the handshake: %s", oneline.Excerpt(head))
}

// noHTTP explains an answer that is not HTTP.
func noHTTP(b []byte) error {
	if b[0] == 0x15 && b[1] == 0x03 {
		return errors.New("the server speaks TLS: use a wss:// URL")
	}
	return fmt.Errorf("the server does not speak HTTP: %s", oneline.Excerpt(b))
}

// answer is the response of a server that refused a handshake, with the reason
// in the body if that arrived with the head.
func answer(b []byte, end int) string {
	if end == len(b) {
		return oneline.Excerpt(b)
	}
	status, _, _ := bytes.Cut(b[:end], []byte("\r\n"))
	return oneline.Excerpt(status) + ": " + oneline.Excerpt(bytes.TrimSpace(b[end:]))
}

// spareFiles are descriptors reserved for everything except connections:
// epolls, the control API, /proc, the Go runtime.
const spareFiles = 64

// CheckFiles raises the open-file limit as far as this process may, and reports
// whether n connections fit.
func CheckFiles(n int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("open-file limit: %w", err)
	}
	if limit.Cur < limit.Max {
		raised := unix.Rlimit{Cur: limit.Max, Max: limit.Max}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			limit = raised
		}
	}
	used, err := (proc.Process{PID: unix.Getpid()}).Files()
	if err != nil {
		return fmt.Errorf("open files: %w", err)
	}
	if fits := int(min(limit.Cur, 1<<40)) - used - spareFiles; n > fits {
		return &FilesError{Wanted: n, Fits: max(fits, 0), Limit: limit.Cur}
	}
	return nil
}

// explain adds what a failed socket call means when opening connections to
// addr.
func explain(doing, addr string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		hint = " (nothing listens there)"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		hint = " (no free port, or not an address of this host: use more source addresses," +
			" such as 127.0.0.2-127.0.0.64, or widen net.ipv4.ip_local_port_range)"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		hint = " (the open-file limit: raise it, see ulimit -n and fs.file-max)"
	}
	return fmt.Errorf("%s %s: %w%s", doing, addr, err, hint)
}
