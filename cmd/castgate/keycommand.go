package main

import (
	"fmt"
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
	return changeKeys(path, func(text []byte) ([]byte, error) {
		if n := len(text); n > 0 && text[n-1] != '\n' {
			text = append(text, '\n')
		}
		return append(text, key.Line()+"\n"...), nil
	})
}
