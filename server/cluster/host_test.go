package cluster

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Only a process of this machine that is gone has ended for certain.
func TestProcessEnded(t *testing.T) {
	own := ThisProcess()
	if own == "" || ProcessEnded(own) {
		t.Fatalf("this process is %q, ended %v", own, ProcessEnded(own))
	}
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	start, ok := startOfProcess(cmd.Process.Pid)
	if !ok {
		t.Fatal("the process that was started is not found")
	}
	other := thisMachine() + " " + strconv.Itoa(cmd.Process.Pid) + " " + start
	if ProcessEnded(other) {
		t.Error("a process that lives has ended")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !ProcessEnded(other) {
		t.Error("a process that was killed has not ended")
	}
	fields := strings.Fields(own)
	for _, host := range []string{"", "x", "another " + strings.Join(fields[1:], " "), fields[0] + " pid:[1] 1 1", strings.Join(fields[:2], " ") + " -1 0"} {
		if ProcessEnded(host) {
			t.Errorf("%q has ended for certain", host)
		}
	}
	if !ProcessEnded(strings.Join(fields[:3], " ") + " 1") {
		t.Error("another process with the same number is taken for the one that was meant")
	}
}
