package kernel

import (
	"testing"
	"time"
)

func TestKeepAlives(t *testing.T) {
	n, err := keepAlives([]byte("TcpExt: A TCPKeepAlive B\nTcpExt: 1 23 4\nIpExt: C\nIpExt: 5\n"))
	if n != 23 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, bad := range []string{"", "TcpExt: A\nTcpExt: 1\n", "TcpExt: TCPKeepAlive\n", "TcpExt: TCPKeepAlive\nTcpExt:\n", "TcpExt: TCPKeepAlive\nTcpExt: x\n"} {
		if n, err := keepAlives([]byte(bad)); err == nil {
			t.Errorf("%q: %d", bad, n)
		}
	}
	if _, err := KeepAlives(); err != nil {
		t.Error(err)
	}
}

func TestIdleCPU(t *testing.T) {
	idle, err := idleCPU([]byte("cpu  1 2 3 400 5 6 7 8 9 10\ncpu0 1\n"))
	if want := 4050 * time.Millisecond; idle != want || err != nil {
		t.Errorf("%v, %v, want %v", idle, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2\n", "intr 1 2 3 4 5 6 7 8\n", "cpu 1 2 3 x 5 6 7 8\n"} {
		if idle, err := idleCPU([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, idle)
		}
	}
	if idle, err := IdleCPU(); idle <= 0 || err != nil {
		t.Error(idle, err)
	}
}
