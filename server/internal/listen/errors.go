package listen

import (
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Pause is how long to wait after an error of accept that the next call would
	// only repeat.
	Pause = 50 * time.Millisecond
	// MostFailures is how many calls of accept may fail in a row before there is a
	// pause, whatever their errors say.
	MostFailures = 16
	// warnEvery is the least time between two log lines about such errors.
	warnEvery = 10 * time.Second
)

// Errors is the policy for errors of accept, the same for every listener: an error
// never ends one that still works, never makes the process spin, and is counted. It
// belongs to the goroutine that accepts.
type Errors struct {
	log     *slog.Logger
	message string // of the log line, once in a while
	count   *atomic.Uint64
	row     int // errors in a row
	warned  time.Duration
}

// began makes times monotonic, wherever the wall clock is.
var began = time.Now()

// NewErrors returns a policy that adds each error to a counter, and logs this message
// with an error that leads to a pause.
func NewErrors(log *slog.Logger, message string, count *atomic.Uint64) *Errors {
	return &Errors{log: log, message: message, count: count, warned: -warnEvery}
}

// Accepted notes that a call has succeeded.
func (e *Errors) Accepted() { e.row = 0 }

// Reaction is what to do after an error of accept.
type Reaction struct {
	// Wait is how long to wait before the next call; 0 is not at all.
	Wait time.Duration
	// NoFiles reports that there are no file descriptors left. Connections stay in the
	// kernel's queue until one is free: somebody should be made to give one up.
	NoFiles bool
	// Broken reports that the listener will never accept again. Wait means nothing then.
	Broken bool
}

// Failed notes an error of accept. It is not for EAGAIN of a socket that does not block,
// when nobody waits. See accept(2) for what errors mean: all that are not named here are
// about one connection, which has gone.
func (e *Errors) Failed(err error) (r Reaction) {
	if errors.Is(err, net.ErrClosed) {
		return Reaction{Broken: true} // as its owner wanted
	}
	e.count.Add(1)
	e.row++
	switch {
	case isOneOf(err, unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EFAULT):
		return Reaction{Broken: true}
	case isOneOf(err, unix.EMFILE, unix.ENFILE):
		r.NoFiles = true
	case isOneOf(err, unix.ENOBUFS, unix.ENOMEM, unix.EPERM):
	case e.row <= MostFailures:
		return r
	}
	if now := time.Since(began); now-e.warned >= warnEvery {
		e.warned = now
		e.log.Warn(e.message, "err", err)
	}
	r.Wait = Pause
	return r
}

func isOneOf(err error, all ...unix.Errno) bool {
	for _, errno := range all {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
