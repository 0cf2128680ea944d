// Package openfiles divides the files that the process may open (RLIMIT_NOFILE)
// between clients and everything else.
package openfiles

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"castgate/server/setting"
)

// Limits says how many descriptors this process may open, and who may use them.
type Limits struct {
	Open     uint64 // RLIMIT_NOFILE
	Reserve  int    // for everything that is not a client
	MaxConns int    // for clients
	Refusing int    // of the reserve: sockets that are being answered 503
}

// Bounds of the default reserve, which is a 32nd of the limit.
const (
	minReserve = 96
	maxReserve = 1024
)

// Raise raises RLIMIT_NOFILE as far as this process may, and returns the new limit.
func Raise() (uint64, error) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return 0, fmt.Errorf("getrlimit: %w", err)
	}
	hard := lim.Max
	if os.Geteuid() == 0 { // root may go above the hard limit, up to fs.nr_open
		want := unix.Rlimit{Cur: nrOpen(), Max: nrOpen()}
		if want.Max > hard && unix.Setrlimit(unix.RLIMIT_NOFILE, &want) == nil {
			return want.Cur, nil
		}
	}
	if lim.Cur == hard {
		return lim.Cur, nil
	}
	lim.Cur = hard
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return 0, fmt.Errorf("setrlimit: %w", err)
	}
	return lim.Cur, nil
}

// ReserveFor is the default number of descriptors that clients do not get.
func ReserveFor(open uint64) int { return int(min(max(open/32, minReserve), maxReserve)) }

func nrOpen() uint64 {
	text, err := os.ReadFile("/proc/sys/fs/nr_open")
	var n uint64
	if err == nil {
		_, err = fmt.Sscan(string(text), &n)
	}
	if err != nil {
		return 0
	}
	return n
}

// Divide gives clients maxConns of the files that this process may open, and
// reserve to everything else. 0 derives either from the limit; clients never get
// more than most. An error begins with the setting that asks for too much,
// reserve-files or max-conns.
func Divide(maxConns, reserve, most int) (Limits, error) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return Limits{}, fmt.Errorf("getrlimit: %w", err)
	}
	f := Limits{Open: min(lim.Cur, 1<<30), Reserve: reserve, MaxConns: maxConns}
	if f.Reserve == 0 {
		f.Reserve = ReserveFor(f.Open)
	}
	left := int(f.Open) - f.Reserve
	if left < 1 {
		return f, setting.Errorf("reserve-files", "%d of %d open files leave none for clients", f.Reserve, f.Open)
	}
	most = min(most, left)
	if f.MaxConns == 0 {
		f.MaxConns = most
	}
	if f.MaxConns > most {
		return f, setting.Errorf("max-conns", "%d clients and a reserve of %d need more than the %d files that this process may open (ulimit -n)",
			f.MaxConns, f.Reserve, f.Open)
	}
	f.Refusing = max(f.Reserve/4, 1)
	return f, nil
}
