package proc

import (
	"os"
	"testing"
)

func TestProcessOfOurOwn(t *testing.T) {
	p := Process{PID: os.Getpid()}
	before, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	busy, err := BusyCPU()
	if err != nil || busy <= 0 {
		t.Fatalf("busy %v, %v", busy, err)
	}
	// Work until the clock advances, which it does only because of the work.
	after, rounds := before, 0
	for after <= before {
		rounds++
		if rounds > 1e7 {
			t.Fatal("the CPU clock stands still")
		}
		if after, err = p.CPU(); err != nil {
			t.Fatal(err)
		}
	}
	held := make([]byte, 64<<20)
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	if pss, err := p.PSS(); err != nil || pss < int64(len(held)) {
		t.Errorf("PSS %d, %v: less than what we hold", pss, err)
	}
	if rss, err := p.RSS(); err != nil || rss < int64(len(held)) {
		t.Errorf("RSS %d, %v: less than what we hold", rss, err)
	}
	if n, err := p.Threads(); err != nil || n < 1 {
		t.Errorf("%d threads, %v", n, err)
	}
	files, err := p.Files()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if more, err := p.Files(); err != nil || more != files+1 {
		t.Errorf("%d files after opening one, %d before, %v", more, files, err)
	}
	held[0]++
}

func TestProcessNotThere(t *testing.T) {
	p := Process{PID: 1 << 28} // above the largest pid_max
	if _, err := p.CPU(); err == nil {
		t.Error("CPU of no process")
	}
	if _, err := p.PSS(); err == nil {
		t.Error("PSS of no process")
	}
	if _, err := p.Threads(); err == nil {
		t.Error("threads of no process")
	}
	if _, err := p.Files(); err == nil {
		t.Error("files of no process")
	}
}
