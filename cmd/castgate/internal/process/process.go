// Package process is what the commands of castgate know of the process that they run in, and
// how they end it.
package process

import (
	"fmt"
	"io"
	"strings"
)

// Exit codes of the program.
const (
	ExitFailed   = 1 // the command failed
	ExitUsage    = 2 // a wrong or unknown setting, flag or command
	ExitAbnormal = 3 // the gateway ended unexpectedly
)

// Process is what a command may use of the operating system's process; tests
// pass their own.
type Process struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Args           []string  // of the command line, without the program's name
	Environ        []string  // NAME=value
	Terminal       bool      // stdout is a terminal
	Screen         io.Writer // stdout as it is, where commands of a terminal pass
	Version        string    // of the program

	// end ends the log with the program's last line, which may be empty. A command sets
	// it if its log is not written at once.
	End func(last string)
}

// Exit ends the program with its code after printing its one line on
// stderr.
type Exit struct {
	Code int
	Err  error
}

func (e *Exit) Error() string { return e.Err.Error() }
func (e *Exit) Unwrap() error { return e.Err }

// Failf returns an error that ends the program with the code.
func Failf(code int, format string, args ...any) error {
	return &Exit{Code: code, Err: fmt.Errorf(format, args...)}
}

// OneLine makes any error fit on one line: scripts and journals read lines.
func OneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
