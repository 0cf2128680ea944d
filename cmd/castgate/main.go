// Command castgate is the gateway and its tools: it serves, talks to a running
// gateway from the shell, checks the host and prints the effective
// configuration. `castgate --help` lists the commands.
package main

import (
	"os"

	"golang.org/x/term"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/process"
)

func main() {
	os.Exit(run(os.Args[1:], process.Process{
		Stdin:    os.Stdin,
		Stdout:   os.Stdout,
		Stderr:   os.Stderr,
		Environ:  os.Environ(),
		Terminal: term.IsTerminal(int(os.Stdout.Fd())),
	}))
}

// run runs one command line and returns the exit code.
func run(args []string, p process.Process) int {
	p.Version = version
	return commandline.Run(args, p, grammarFor)
}
