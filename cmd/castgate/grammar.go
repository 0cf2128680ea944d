package main

import (
	"reflect"
	"strings"
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
	Init   initCommand   `cmd:"" help:"Write a configuration that explains itself, with fresh keys."`
	Doctor doctorCommand `cmd:"" help:"Check how many clients this host can hold, and what to change."`
	Key    struct {
		New    keyNewCommand    `cmd:"" help:"Create a key and its line for --control-keys-file. A name may have two keys, so that callers can switch over."`
		List   keyListCommand   `cmd:"" help:"List the keys in a file: name, scopes, fingerprint and creation time."`
		Revoke keyRevokeCommand `cmd:"" help:"Remove a key from a file; a running gateway accepts it until the next reload."`
	} `cmd:"" help:"Create, list and revoke keys of the control API."`
	Version versionCommand `cmd:"" help:"Print the version and what it was built from."`

	Completion completionCommand `cmd:"" help:"Print completions for a shell."`
	Man        manCommand        `cmd:"" help:"Print the man page."`

	Push    pushCommand    `cmd:"" group:"verbs" help:"Send one message to clients, uids, groups or all."`
	Bind    bindCommand    `cmd:"" group:"verbs" help:"Make a client one of a uid's connections."`
	Unbind  unbindCommand  `cmd:"" group:"verbs" help:"Unbind a client from its uid."`
	Join    joinCommand    `cmd:"" group:"verbs" help:"Add clients to groups."`
	Leave   leaveCommand   `cmd:"" group:"verbs" help:"Remove clients from groups."`
	Ungroup ungroupCommand `cmd:"" group:"verbs" help:"Empty groups."`
	Kick    kickCommand    `cmd:"" group:"verbs" help:"Close clients."`
	Online  onlineCommand  `cmd:"" group:"verbs" help:"Show which clients and uids are connected."`
	Counts  countsCommand  `cmd:"" group:"verbs" help:"Count the clients of groups and uids."`
	Stats   statsCommand   `cmd:"" group:"verbs" help:"Print the gateway's counters."`
	Tail    tailCommand    `cmd:"" group:"verbs" help:"Print connects, binds, pushes and ends as they happen, from the admin page's port."`
	Top     topCommand     `cmd:"" group:"verbs" help:"Show the gateway's counters as they change."`
	Nodes   nodesCommand   `cmd:"" group:"verbs" help:"List the nodes of the cluster."`
	Client  clientCommand  `cmd:"" group:"verbs" help:"Print everything known about one client."`
	Explain explainCommand `cmd:"" group:"verbs" help:"Tell why a uid's clients, or one client, were closed, and what did not arrive."`
	Clients clientsCommand `cmd:"" group:"verbs" help:"List clients."`
	Uids    uidsCommand    `cmd:"" group:"verbs" help:"List uids in use."`
	Groups  groupsCommand  `cmd:"" group:"verbs" help:"List groups in use."`
	Session struct {
		Put   sessionPutCommand   `cmd:"" help:"Replace a client's session by a JSON object."`
		Patch sessionPatchCommand `cmd:"" help:"Merge a JSON object into a client's session (RFC 7396)."`
	} `cmd:"" group:"verbs" help:"Write a client's session."`
	Batch  batchCommand  `cmd:"" group:"verbs" help:"Run commands from stdin, one JSON object per line."`
	Reload reloadCommand `cmd:"" group:"verbs" help:"Reload the gateway's configuration and apply what needs no restart."`
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
