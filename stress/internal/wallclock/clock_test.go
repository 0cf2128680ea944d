package wallclock

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// childArg makes the test binary a child that prints the time.
const childArg = "wallclock-child"

func TestMain(m *testing.M) {
	Entry()
	if len(os.Args) > 1 && os.Args[1] == childArg {
		tellTime()
		return
	}
	os.Exit(m.Run())
}

// tellTime prints the wall clock, and the running time of the process by its
// monotonic clock, for each byte that it reads.
func tellTime() {
	begun := time.Now()
	in := bufio.NewReader(os.Stdin)
	for {
		if _, err := in.ReadByte(); err != nil {
			return
		}
		now := time.Now()
		fmt.Println(now.UnixNano(), int64(now.Sub(begun)))
	}
}

// usable checks only once: a start under the race detector takes a second.
var usable = sync.OnceValue(Usable)

// newClock returns a clock for a test. It skips the test where there can be none,
// but not in CI.
func newClock(t *testing.T) *Clock {
	t.Helper()
	if err := usable(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := c.Err(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// command returns a command with the clock.
func (c *Clock) command(args ...string) *exec.Cmd {
	args = append(c.Wrap(), args...)
	return exec.Command(args[0], args[1:]...)
}

// child is a process that prints the time.
type child struct {
	in  io.WriteCloser
	out io.Reader
}

func startChild(t *testing.T, c *Clock) child {
	t.Helper()
	cmd := c.command(c.Wrap()[0], childArg)
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return child{in, out}
}

func (k child) ask(t *testing.T) (wall time.Time, running time.Duration) {
	t.Helper()
	var unix int64
	if _, err := k.in.Write([]byte{'?'}); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscan(k.out, &unix, &running); err != nil {
		t.Fatal(err)
	}
	return time.Unix(0, unix), running
}

// TestJumps: a running process sees each jump of the wall clock at once and
// exactly, and none of its monotonic time. The machine's clock does not change.
func TestJumps(t *testing.T) {
	c := newClock(t)
	process := startChild(t, c)
	begun := time.Now()
	for _, offset := range []time.Duration{
		0, time.Second, -time.Second, time.Hour, -time.Hour, 40 * 24 * time.Hour, -300 * 24 * time.Hour,
		10 * 365 * 24 * time.Hour, time.Since(time.Unix(1, 0)) * -1, 0,
	} {
		c.Set(offset)
		before := c.Now()
		wall, running := process.ask(t)
		if after := c.Now(); wall.Before(before.Round(0)) || wall.After(after.Round(0)) {
			t.Errorf("offset %v: the process says %v, not between %v and %v", offset, wall, before, after)
		}
		if running < 0 || running > time.Since(begun)+time.Second {
			t.Errorf("offset %v: the process runs for %v", offset, running)
		}
	}
	if c.Readings() < 10 {
		t.Errorf("the clock was read %d times", c.Readings())
	}
}

// TestManyReadings: threads of several processes that read the clock at the same
// time all get their answers.
func TestManyReadings(t *testing.T) {
	c := newClock(t)
	var done sync.WaitGroup
	for range 4 {
		process := startChild(t, c)
		done.Go(func() {
			for range 300 {
				before := c.Now()
				if wall, _ := process.ask(t); wall.Before(before.Round(0)) {
					t.Errorf("the process says %v after %v", wall, before)
				}
			}
		})
	}
	done.Wait()
}

// TestProcessStaysItself: the command keeps the process id that was started, and
// its exit code is visible.
func TestProcessStaysItself(t *testing.T) {
	c := newClock(t)
	cmd := c.command("sh", "-c", "echo $$; exit 7")
	said, err := cmd.Output()
	if want := fmt.Sprintf("%d\n", cmd.ProcessState.Pid()); string(said) != want || cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("%q, %v, want %q and exit code 7", said, err, want)
	}
	cmd = c.command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("after SIGKILL: %v", cmd.ProcessState)
	}
}

func TestNoCommand(t *testing.T) {
	c := newClock(t)
	for code, args := range map[int][]string{2: nil, 126: {"/nothing/there"}} {
		cmd := c.command(args...)
		cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("%q: exit code %d, want %d", args, got, code)
		}
	}
}
