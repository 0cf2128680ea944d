package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"castgate/loadtest"
)

// perfRate is how many samples a second perf takes of each thread that runs. It is not a
// divisor of the rates of timers, so that it does not go in step with them.
const perfRate = "997"

// recording is perf's of one phase.
type recording struct{ phase, file string }

// profiler records where a server's time goes while a window is open. A nil profiler
// records nothing.
type profiler struct {
	dir string
	// cmd is the recording under way, control the pipe that it is told by: perf fails
	// if that is closed before it has ended.
	cmd      *exec.Cmd
	control  *os.File
	recorded []recording
}

// endedBySIGINT is what programs that have caught the signal exit with.
const endedBySIGINT = 128 + int(syscall.SIGINT)

// perfWithin is how long perf may take to begin.
const perfWithin = 30 * time.Second

// open returns when perf records a process.
func (p *profiler) open(phase string, process loadtest.Process) error {
	if p == nil {
		return nil
	}
	commands, toPerf, err := os.Pipe()
	if err != nil {
		return err
	}
	p.control = toPerf
	defer commands.Close()
	fromPerf, acks, err := os.Pipe()
	if err != nil {
		return errors.Join(err, toPerf.Close())
	}
	defer fromPerf.Close()
	defer acks.Close()
	r := recording{phase, filepath.Join(p.dir, fmt.Sprintf("%d.perf", len(p.recorded)))}
	p.cmd = exec.Command("perf", "record", "-q", "-e", "cpu-clock", "-F", perfRate, "-g", "-o", r.file,
		"--delay=-1", "--control=fd:3,4", "-p", fmt.Sprint(process.PID))
	p.cmd.Stderr, p.cmd.ExtraFiles = &tail{}, []*os.File{commands, acks}
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		return errors.Join(err, toPerf.Close())
	}
	acks.Close() // or reading would not end with perf
	_, err = toPerf.WriteString("enable\n")
	err = errors.Join(err, fromPerf.SetReadDeadline(time.Now().Add(perfWithin)))
	if err == nil {
		_, err = fromPerf.Read(make([]byte, len("ack\n")))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("perf record did not begin: %w", err), p.close())
	}
	p.recorded = append(p.recorded, r)
	return nil
}

// close ends the recording.
func (p *profiler) close() error {
	if p == nil || p.cmd == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGINT) // it may have ended
	err := p.cmd.Wait()
	said := p.cmd.Stderr
	p.cmd = nil
	p.control.Close()
	var status *exec.ExitError
	// perf ends by the signal that it was sent, or says so.
	if errors.As(err, &status) && (status.ExitCode() == endedBySIGINT || status.Sys().(syscall.WaitStatus).Signal() == syscall.SIGINT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("perf record: %w\n%s", err, said)
	}
	return nil
}

// stacks reads a recording.
func stacks(ctx context.Context, file string) (*Profile, error) {
	cmd := exec.CommandContext(ctx, "perf", "script", "-i", file, "-F", "comm,ip,sym")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p, readErr := readStacks(out)
	if readErr != nil {
		_ = cmd.Process.Kill() // it may have ended
	}
	err = cmd.Wait()
	if readErr != nil {
		return nil, readErr
	}
	return p, err
}

// profile plays a scenario once more on castgate while perf records it. Its figures do
// not count: recording costs time too.
func (b *bench) profile(ctx context.Context, sc *scenario) error {
	if _, err := exec.LookPath("perf"); err != nil {
		b.skip("profiles: %v; as root, apt-get install linux-perf", err)
		return nil
	}
	for _, play := range sc.plays(Castgate) {
		if err := b.profilePlay(ctx, play); err != nil {
			return fmt.Errorf("profile of %s: %w", sc.name, err)
		}
	}
	return nil
}

func (b *bench) profilePlay(ctx context.Context, play play) error {
	dir, err := os.MkdirTemp(b.dir, "profile")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, round := &profiler{dir: dir}, samples{}
	name := Castgate
	if play.as != "" {
		name = play.as
	}
	err = b.on(ctx, name, func(s *server) error {
		s.profiler = p
		return play.measure(b, ctx, s, &round)
	})
	if err = errors.Join(err, p.close()); err != nil {
		return err
	}
	for _, r := range p.recorded {
		found, err := stacks(ctx, r.file)
		if err != nil {
			b.skip("profile of %s: %v", r.phase, err)
			continue
		}
		found.Scenario, found.Server = r.phase, name
		b.result.Profiles = append(b.result.Profiles, *found)
		b.log("%s: %d samples", r.phase, found.Samples)
	}
	return nil
}
