package faults

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestFault(t *testing.T) {
	var f Fault
	if f.Happens() != nil || !f.Over() {
		t.Error("it happens before it is set")
	}
	f.Set(unix.ENOMEM, 2)
	for range 2 {
		if f.Over() || f.Happens() != unix.ENOMEM {
			t.Error("it does not happen twice")
		}
	}
	if f.Happens() != nil || !f.Over() {
		t.Error("it goes on")
	}
}
