package main

import (
	"fmt"
	"os"
	"strings"

	"castgate/server/control"
)

// keyNewCommand is `castgate key new`.
type keyNewCommand struct {
	Name  string   `required:"" placeholder:"NAME" help:"What logs call the key: letters, digits and . _ @ -"`
	Scope []string `required:"" placeholder:"SCOPE" help:"What it opens: read, push, manage, separated by commas. Repeatable."`
	File  string   `placeholder:"FILE" help:"Append the line to this file of keys instead of printing it; the file is made if there is none."`
}

// Run makes a key and prints it, this once, and the line of the file of keys
// that lets the gateway know it without knowing it.
func (c *keyNewCommand) Run(p *process) error {
	scopes, err := control.ParseScopes(strings.Join(c.Scope, ","))
	if err != nil {
		return failf(exitUsage, "--scope: %w", err)
	}
	key, secret, err := control.NewKey(c.Name, scopes)
	if err != nil {
		return failf(exitUsage, "--name: %w", err)
	}
	if c.File != "" {
		if err := appendKey(c.File, key); err != nil {
			return failf(exitFailed, "%w", err)
		}
		fmt.Fprintln(p.stdout, secret)
		return nil
	}
	fmt.Fprintf(p.stdout, "# the key, for the caller; it is shown only now\n%s\n", secret)
	fmt.Fprintf(p.stdout, "# the line for the file of --control-keys-file\n%s\n", key.Line())
	return nil
}

// appendKey adds a key to a file of keys, which must be one.
func appendKey(path string, key control.Key) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := readLimited(path)
	if err != nil {
		return err
	}
	line := key.Line() + "\n"
	if n := len(text); n > 0 && text[n-1] != '\n' {
		line = "\n" + line
	}
	if _, err := control.ParseKeys(append(text, line...)); err != nil {
		return fmt.Errorf("%s: %w; nothing was written", path, err)
	}
	if _, err := f.WriteString(line); err != nil {
		return err
	}
	return f.Close()
}
