package callers

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"castgate/server/internal/listen"
)

// socketMode lets the process's group use the control socket.
const socketMode = 0o660

// open opens host:port, unix:/path or fd:NAME. A stale socket file is removed;
// one in use is an error or, with ReusePort, taken over.
func open(address string, c *Config) (*gate, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(path, c.ReusePort)
	}
	var ln *listen.Listener
	var err error
	passed := listen.Passed(c.Passed)
	if _, ok := listen.Name(address); ok {
		ln, err = passed.Open(address)
	} else {
		ln, err = listen.TCP(address, listen.Options{ReusePort: c.ReusePort, Prepare: keepLittleUnsent})
	}
	if err != nil {
		return nil, cause(err)
	}
	if ln.Taken {
		c.Log.Warn("another process listens on this address too; each control connection goes to one of the two until one stops (reuse-port)", "control", address)
	}
	g := newGate(ln.Listener)
	g.common, g.inherited, g.settle = ln.Common, ln.Inherited, c.Settle
	return g, nil
}

// listenUnix binds a path. After a takeover the path leads to the new socket;
// connections waiting at the old one are still served there.
func listenUnix(path string, takeOver bool) (*gate, error) {
	unlock := lockDirectory(filepath.Dir(path))
	defer unlock()
	at := path
	if err := removeStale(path); errors.Is(err, syscall.EADDRINUSE) && takeOver {
		at = path + ".new"
		_ = os.Remove(at) // left by a failed start: the directory is locked
	} else if err != nil {
		return nil, err
	}
	// The file gets the mode that the socket has when it is bound, less the
	// umask: so the file is never more open than it will be.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		controlErr := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), socketMode) })
		return errors.Join(controlErr, err)
	}}
	ln, err := lc.Listen(context.Background(), "unix", at)
	if err != nil {
		return nil, cause(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	info, err := os.Lstat(at)
	if err == nil {
		err = os.Chmod(at, socketMode)
	}
	if err == nil && at != path {
		err = os.Rename(at, path)
	}
	if err != nil {
		return nil, errors.Join(err, ln.Close(), os.Remove(at))
	}
	g := newGate(ln)
	g.path = &net.UnixAddr{Name: path, Net: "unix"}
	g.remove = func() { removeOwn(path, info) }
	return g, nil
}

// removeOwn removes a socket unless a successor's has replaced it.
func removeOwn(path string, own os.FileInfo) {
	unlock := lockDirectory(filepath.Dir(path))
	defer unlock()
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, own) {
		_ = os.Remove(path)
	}
}

// lockDirectory keeps two gateways that start at the same time from mistaking
// each other's new socket for a stale one. If the directory cannot be locked,
// the start goes on.
func lockDirectory(dir string) (unlock func()) {
	d, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	_ = syscall.Flock(int(d.Fd()), syscall.LOCK_EX)
	return func() { _ = d.Close() }
}

// removeStale removes a socket that nobody listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("the path exists and is not a socket")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = c.Close()
		return syscall.EADDRINUSE
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return cause(err) // its backlog is full or access is denied: it is in use
}

// cause strips the address from an error, since the caller's message names it.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err
	}
	return err
}
