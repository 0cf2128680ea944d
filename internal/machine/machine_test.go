package machine

import (
	"runtime"
	"testing"
)

func TestThis(t *testing.T) {
	m := This()
	if m.Cores != runtime.NumCPU() || m.Kernel == "" || m.Go != runtime.Version() || m.Memory < 1<<20 {
		t.Errorf("%+v", m)
	}
	if n, err := Available(); err != nil || n <= 0 || n > m.Memory {
		t.Errorf("%d of %d bytes available, %v", n, m.Memory, err)
	}
	if _, err := memory("NoSuchLine:"); err == nil {
		t.Error("a missing line was found")
	}
}
