package profile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// perfRate is how many samples a second perf takes of each thread that runs. It is not a
// divisor of the rates of timers, so that it does not keep step with them.
const perfRate = "997"

// Recording is perf's of one phase.
type Recording struct {
	Phase string
	file  string
}

// Recorder records where a process's CPU time goes, one phase at a time. A nil Recorder
// records nothing. One goroutine at a time may call it.
type Recorder struct {
	// Dir is where recordings are written. Who made it removes it.
	Dir string
	// Recordings are those of phases that have begun, in order.
	Recordings []Recording

	// cmd is the current recording, control the pipe that controls it: perf fails if
	// that is closed before the recording has ended.
	cmd     *exec.Cmd
	control *os.File
	said    bytes.Buffer
}

// endedBySIGINT is what programs that have caught the signal exit with.
const endedBySIGINT = 128 + int(syscall.SIGINT)

// perfWithin is how long perf may take to begin.
const perfWithin = 30 * time.Second

// Begin returns when perf records the process.
func (p *Recorder) Begin(phase string, pid int) error {
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
	r := Recording{phase, filepath.Join(p.Dir, fmt.Sprintf("%d.perf", len(p.Recordings)))}
	p.cmd = exec.Command("perf", "record", "-q", "-e", "cpu-clock", "-F", perfRate, "-g", "-o", r.file,
		"--delay=-1", "--control=fd:3,4", "-p", fmt.Sprint(pid))
	p.said.Reset()
	p.cmd.Stderr, p.cmd.ExtraFiles = &p.said, []*os.File{commands, acks}
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
		return errors.Join(fmt.Errorf("perf record did not begin: %w", err), p.End())
	}
	p.Recordings = append(p.Recordings, r)
	return nil
}

// End ends the current recording, if there is one.
func (p *Recorder) End() error {
	if p == nil || p.cmd == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGINT) // it may have ended
	err := p.cmd.Wait()
	p.cmd = nil
	p.control.Close()
	var status *exec.ExitError
	// perf ends with the signal that it was sent, or reports an error.
	if errors.As(err, &status) && (status.ExitCode() == endedBySIGINT || status.Sys().(syscall.WaitStatus).Signal() == syscall.SIGINT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("perf record: %w\n%s", err, &p.said)
	}
	return nil
}

// Read returns the profile of a recording that has ended.
func (r *Recording) Read(ctx context.Context) (*Profile, error) {
	cmd := exec.CommandContext(ctx, "perf", "script", "-i", r.file, "-F", "comm,ip,sym")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p, readErr := Read(out)
	if readErr != nil {
		_ = cmd.Process.Kill() // it may have ended
	}
	err = cmd.Wait()
	if readErr != nil {
		return nil, readErr
	}
	return p, err
}
