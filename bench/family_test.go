package bench

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"
	"time"

	"castgate/loadtest/proc"
)

// familyOf runs a shell script that prints a line when its children run.
func familyOf(t *testing.T, text string) family {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", text)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // the scripts end with it
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	return family{proc.Process{PID: cmd.Process.Pid}}
}

// The cost of children counts, and that of their children.
func TestFamily(t *testing.T) {
	// A shell, a child that has used the processor, and a child of that.
	f := familyOf(t, `exec 3<&0
		(i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; cat <&3 & echo ready; cat <&3) &
		cat`)
	members, err := f.members()
	if err != nil {
		t.Fatal(err)
	}
	if len(members) < 4 || members[0] != f.root {
		t.Fatalf("%v descend from %v", members, f.root)
	}
	var cpu time.Duration
	var pss int64
	for _, p := range members {
		c, err := p.CPU()
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.PSS()
		if err != nil {
			t.Fatal(err)
		}
		cpu, pss = cpu+c, pss+b
	}
	own, err := f.root.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if all, err := f.CPU(); err != nil || all < cpu || cpu <= own {
		t.Errorf("CPU %v, %v; the members' %v, the root's own %v", all, err, cpu, own)
	}
	if all, err := f.PSS(); err != nil || all < pss/2 || all > 2*pss {
		t.Errorf("PSS %d, %v; the members' %d", all, err, pss)
	}
	if n, err := f.Threads(); err != nil || n != len(members) {
		t.Errorf("%d threads in %d shells, %v", n, len(members), err)
	}
}

func TestFamilyThatIsGone(t *testing.T) {
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	f := family{proc.Process{PID: cmd.Process.Pid}}
	if _, err := f.CPU(); err == nil {
		t.Error("a process that has ended uses CPU")
	}
	if _, err := f.PSS(); err == nil || !strings.Contains(err.Error(), "/proc/") {
		t.Errorf("%v", err)
	}
}
