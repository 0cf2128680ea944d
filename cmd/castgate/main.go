// Command castgate is the gateway and its tools: it serves, talks to a running
// gateway from the shell, checks the host and prints the effective
// configuration. `castgate --help` lists the commands.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// Exit codes of the program.
const (
	exitFailed   = 1 // the command failed
	exitUsage    = 2 // a wrong or unknown setting, flag or command
	exitAbnormal = 3 // the gateway ended unexpectedly
)

// process is what a command may use of the operating system's process; tests
// pass their own.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	args           []string  // of the command line, without the program's name
	environ        []string  // NAME=value
	terminal       bool      // stdout is a terminal
	screen         io.Writer // stdout as it is, where commands of a terminal pass
	logs           *logs     // to stderr; nil before queueLogs
}

// exitError ends the program with its code after printing its one line on
// stderr.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// failf returns an error that ends the program with the code.
func failf(code int, format string, args ...any) error {
	return &exitError{code: code, err: fmt.Errorf(format, args...)}
}

func main() {
	os.Exit(run(os.Args[1:], process{
		stdin:    os.Stdin,
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		environ:  os.Environ(),
		terminal: term.IsTerminal(int(os.Stdout.Fd())),
	}))
}

// run runs one command line and returns the exit code.
func run(args []string, p process) int {
	p.args = args
	p.screen = p.stdout
	if p.terminal {
		p.stdout = &visibleWriter{to: p.stdout}
	}
	err := dispatch(args, &p)
	code, last := 0, ""
	if err != nil {
		code = exitFailed
		if e, ok := errors.AsType[*exitError](err); ok {
			code = e.code
		}
		if text := err.Error(); text != "" {
			last = "castgate: " + visible(oneLine(text))
		}
	}
	if p.logs == nil && last != "" {
		p.logs = newLogs(p.stderr, "text")
	}
	if p.logs != nil {
		signal.Ignore(syscall.SIGPIPE) // the exit code counts, even if nobody reads the line
		p.logs.end(last)
	}
	return code
}

// oneLine makes any error fit on one line: scripts and journals read lines.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
