package server

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fileLimits divides the descriptors this process may open.
type fileLimits struct {
	open     uint64 // RLIMIT_NOFILE
	reserve  int    // for all that is not a client
	maxConns int    // for clients
	refusing int    // of the reserve: sockets that are being told 503
}

// Bounds of the reserve when Config.ReserveFiles is 0: a 32nd of the limit.
const (
	minReserve = 96
	maxReserve = 1024
)

// RaiseFileLimit raises RLIMIT_NOFILE as far as this process may and returns
// what it is then. Call it before New.
func RaiseFileLimit() (uint64, error) {
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

// ReserveFor is how many of so many open files clients don't get unless
// Config.ReserveFiles says otherwise.
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

// CheckFiles reports what New would: that MaxConns and ReserveFiles are more
// than this process may open. RaiseFileLimit comes before.
func (c *Config) CheckFiles() error {
	_, err := newFileLimits(c)
	return err
}

func newFileLimits(c *Config) (fileLimits, error) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return fileLimits{}, fmt.Errorf("getrlimit: %w", err)
	}
	f := fileLimits{open: min(lim.Cur, 1<<30), reserve: c.ReserveFiles}
	if f.reserve == 0 {
		f.reserve = ReserveFor(f.open)
	}
	most := int(f.open) - f.reserve
	if most < 1 {
		return f, fmt.Errorf("reserve-files: %d of %d open files leave none for clients", f.reserve, f.open)
	}
	most = min(most, c.Loops*maxSlots)
	f.maxConns = c.MaxConns
	if f.maxConns == 0 {
		f.maxConns = most
	}
	if f.maxConns > most {
		return f, fmt.Errorf("max-conns: %d clients and a reserve of %d need more than the %d files this process may open (ulimit -n)",
			f.maxConns, f.reserve, f.open)
	}
	f.refusing = max(f.reserve/4, 1)
	return f, nil
}
