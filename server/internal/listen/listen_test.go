package listen

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, address string, o Options) *Listener {
	t.Helper()
	l, err := TCP(address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func fileOf(t *testing.T, l net.Listener) *os.File {
	t.Helper()
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestName(t *testing.T) {
	for address, want := range map[string]string{
		"fd:clients": "clients", "fd:castgate-tls.socket": "castgate-tls.socket", "fd:a@1": "a@1",
		"fd:7272": "", "fd:": "", "fd:a b": "", "fd:a:1": "", "127.0.0.1:1": "", "clients": "", "fd:" + strings.Repeat("a", 256): "",
	} {
		if name, ok := Name(address); name != want || ok != (want != "") {
			t.Errorf("%.40q: %q %v, want %q", address, name, ok, want)
		}
	}
}

// Two sockets with SO_REUSEPORT share an address, and the second one reports that
// it is taken. A socket without SO_REUSEPORT is refused.
func TestReusePort(t *testing.T) {
	first := open(t, "127.0.0.1:0", Options{ReusePort: true})
	address := first.Addr().String()
	if first.Taken || !first.Common {
		t.Errorf("the first: %+v", first)
	}
	at := first.Addr().(*net.TCPAddr).AddrPort()
	if Shared(at) {
		t.Error("Shared with a single listener")
	}
	if second := open(t, address, Options{ReusePort: true}); !second.Taken || !second.Common || !Shared(at) {
		t.Errorf("the second: %+v, shared: %v", second, Shared(at))
	}
	if l, err := TCP(address, Options{}); err == nil {
		_ = l.Close()
		t.Error("a socket without SO_REUSEPORT could be bound")
	}
}

// A passed socket is found by its name, and closing it leaves its queue alone.
func TestPassed(t *testing.T) {
	was := open(t, "127.0.0.1:0", Options{})
	passed := Passed{"clients": {fileOf(t, was.Listener)}}
	prepared := 0
	l, err := TCP("fd:clients", Options{Passed: passed, Prepare: func(int) error { prepared++; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if !l.Inherited || !l.Common || l.Addr().String() != was.Addr().String() || prepared != 1 {
		t.Errorf("%+v at %v, prepared %d times", l, l.Addr(), prepared)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = l.Close()
	again := open(t, "fd:clients", Options{Passed: passed})
	taken, err := again.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = taken.Close()
}

func TestPassedErrors(t *testing.T) {
	was := open(t, "127.0.0.1:0", Options{})
	file := fileOf(t, was.Listener)
	unixListener, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unixListener.Close() }()
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	p := Passed{"two": {file, file}, "null": {null}, "unix": {fileOf(t, unixListener)}}
	for name, want := range map[string]string{
		"none": "no socket named", "two": "2 sockets", "null": "not a listening socket", "unix": "not a TCP socket",
	} {
		if _, err := TCP("fd:"+name, Options{Passed: p}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := TCP("fd:x", Options{}); err == nil || !strings.Contains(err.Error(), "no socket was passed") {
		t.Errorf("without any: %v", err)
	}
}

// A deafened socket keeps its queue and admits nobody else. A new connect gets no
// answer at all, and so no reset.
func TestDeafen(t *testing.T) {
	l := open(t, "127.0.0.1:0", Options{})
	early, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = early.Close() }()
	raw, err := l.Listener.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := control(raw, Deafen); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	to := &unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Connect(fd, to); err != unix.EINPROGRESS {
		t.Fatalf("connect: %v", err)
	}
	if _, err := early.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	b := make([]byte, 8)
	if n, err := c.Read(b); err != nil || string(b[:n]) != "early" {
		t.Errorf("read %q %v", b[:n], err)
	}
	_ = l.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Millisecond))
	if c, err := l.Accept(); err == nil {
		_ = c.Close()
		t.Error("a connection after Deafen was accepted")
	}
	if status, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || status != 0 {
		t.Errorf("connect after Deafen: %v, %v; want no answer", syscall.Errno(status), err)
	}
}
