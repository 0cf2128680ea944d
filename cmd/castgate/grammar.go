package main

import (
	"reflect"
	"strings"

	"castgate/cmd/castgate/internal/keys"
	"castgate/cmd/castgate/internal/terminal"
	"castgate/cmd/castgate/internal/verbs"
)

// serveLine is the grammar of command lines that begin with serve.
type serveLine struct {
	Serve serveCommand `cmd:"" help:"Run the gateway."`
}

// commands is the grammar of the command line; kong fills it.
type commands struct {
	serveLine
	Config struct {
		Print configPrintCommand `cmd:"" help:"Print the effective configuration as a TOML file: every setting with its default, unit and source."`
		Check configCheckCommand `cmd:"" help:"Check the configuration; print ok or the first wrong setting."`
	} `cmd:"" help:"Print or check the effective configuration."`
	Init    initCommand    `cmd:"" help:"Write a configuration that explains itself, with fresh keys."`
	Doctor  doctorCommand  `cmd:"" help:"Check how many clients this host can hold, and what to change."`
	Key     keys.Commands  `cmd:"" help:"Create, list and revoke keys of the control API."`
	Version versionCommand `cmd:"" help:"Print the version and what it was built from."`

	Completion completionCommand `cmd:"" help:"Print completions for a shell."`
	Man        manCommand        `cmd:"" help:"Print the man page."`

	verbs.Sends
	terminal.Views
	verbs.Queries
}

// grammarFor is the part of the grammar that a command line needs: reading the
// tags of all commands takes 8 ms of CPU time, most of it for settings that
// several share. serve is always included, since its flags are the settings. A
// line that does not begin with a command needs everything.
func grammarFor(args []string) any {
	switch {
	case len(args) == 0:
		return new(commands)
	case args[0] == "serve":
		return new(serveLine)
	}
	asked := func(field string) bool { return strings.ToLower(field) == args[0] }
	command, ok := reflect.TypeFor[commands]().FieldByNameFunc(asked)
	if !ok || command.Anonymous {
		return new(commands)
	}
	serve := reflect.TypeFor[serveLine]().Field(0)
	return reflect.New(reflect.StructOf([]reflect.StructField{serve, command})).Interface()
}
