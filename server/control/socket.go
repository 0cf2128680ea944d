package control

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
)

// socketMode lets the group of the process use the control socket.
const socketMode = 0o660

// listen binds host:port or unix:/path. A socket file that nobody listens on
// any more is removed; one that is in use is an error.
func listen(address string) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		ln, err := net.Listen("tcp", address)
		return ln, cause(err)
	}
	unlock := lockDirectory(filepath.Dir(path))
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// The mode a socket has when it is bound is its file's, less the umask: so
	// the file is never open to more than it will be.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		controlErr := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), socketMode) })
		return errors.Join(controlErr, err)
	}}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, cause(err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// lockDirectory keeps two gateways that start at once from taking each other's
// new socket for a stale one. Where it can't be locked the start goes on.
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
		return errors.New("there is a file that is not a socket")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = c.Close()
		return syscall.EADDRINUSE
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return cause(err) // its backlog full, or not ours to open: somebody is there
}

// cause strips an error of the address, which the caller's message names.
func cause(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err
	}
	var call *os.SyscallError
	if errors.As(op.Err, &call) {
		return call.Err
	}
	return op.Err
}
