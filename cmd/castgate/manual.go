package main

import (
	"io"

	"github.com/alecthomas/kong"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/manual"
	"castgate/cmd/castgate/internal/process"
)

// manCommand is `castgate man`.
type manCommand struct{}

// Run prints the man page.
func (manCommand) Run(p *process.Process) error {
	app, err := wholeGrammar(p)
	if err != nil {
		return err
	}
	return manual.Page(p.Stdout, app, version, manual.Settings{Is: knob.Is, Variable: knob.Variable})
}

// completionCommand is `castgate completion`.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run prints a script for the shell.
func (c *completionCommand) Run(p *process.Process) error {
	app, err := wholeGrammar(p)
	if err != nil {
		return err
	}
	write := map[string]func(io.Writer, *kong.Application) error{"bash": manual.Bash, "zsh": manual.Zsh, "fish": manual.Fish}[c.Shell]
	return write(p.Stdout, app)
}

// wholeGrammar is the model of the command line with all commands: that of a parser for
// one command line has only what the line needs.
func wholeGrammar(p *process.Process) (*kong.Application, error) {
	parser, err := commandline.NewParser(new(commands), knob.NewSources(nil), p)
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}
