package loadtest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// OpenError says why not all connections of a swarm could be opened. Open gives
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

// FilesError says that the open-file limit of this process has no room for the
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
	return fmt.Errorf("the server closed the connection in the middle of its answer to the handshake: %s", excerpt(head))
}

// noHTTP says which protocol a server speaks that does not speak HTTP.
func noHTTP(b []byte) error {
	if b[0] == 0x15 && b[1] == 0x03 {
		return errors.New("the server speaks TLS: use a wss:// URL")
	}
	return fmt.Errorf("the server does not speak HTTP: %s", excerpt(b))
}

// answer is the response of a server that refused a handshake, with the reason
// in the body if that arrived with the head.
func answer(b []byte, end int) string {
	if end == len(b) {
		return excerpt(b)
	}
	status, _, _ := bytes.Cut(b[:end], []byte("\r\n"))
	return excerpt(status) + ": " + excerpt(bytes.TrimSpace(b[end:]))
}

// noTLS says why a TLS handshake failed.
func noTLS(err error) error {
	var first tls.RecordHeaderError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("TLS handshake: the server closed the connection; it may not speak TLS")
	case !errors.As(err, &first):
		return fmt.Errorf("TLS handshake: %w", err)
	case string(first.RecordHeader[:]) == "HTTP/":
		return errors.New("TLS handshake: the server speaks plain HTTP: use a ws:// URL")
	}
	return fmt.Errorf("TLS handshake: the server does not speak TLS: %s", excerpt(first.RecordHeader[:]))
}

// spareFiles are descriptors reserved for everything except connections:
// epolls, the control API, /proc, the Go runtime.
const spareFiles = 64

// checkFiles raises the open-file limit as far as this process may, and reports
// whether n connections fit.
func checkFiles(n int) error {
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
	used, err := (Process{PID: unix.Getpid()}).Files()
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

// tally counts texts. It is bounded, since some texts come from the server.
type tally map[string]int

// maxTexts is the number of different texts that are counted separately.
const maxTexts = 32

func (t tally) add(text string, n int) {
	if _, known := t[text]; !known && len(t) >= maxTexts {
		text = "others"
	}
	t[text] += n
}

// excerpt makes bytes of the server fit into a line of text.
func excerpt(b []byte) string {
	const most = 80
	s := b
	if len(s) > most {
		s = s[:most]
	}
	q := strings.Trim(fmt.Sprintf("%q", s), `"`)
	if len(b) > most {
		q += "…"
	}
	return "“" + q + "”"
}

// inOneLine joins errors; nil if there are none.
func inOneLine(all []error) error {
	all = slices.DeleteFunc(all, func(err error) bool { return err == nil })
	texts := make([]string, len(all))
	for i, err := range all {
		texts[i] = err.Error()
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &faults{strings.Join(texts, "; "), all}
}

// faults are several errors on one line.
type faults struct {
	text string
	all  []error
}

func (f *faults) Error() string   { return f.text }
func (f *faults) Unwrap() []error { return f.all }
