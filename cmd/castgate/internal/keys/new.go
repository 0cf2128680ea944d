package keys

import (
	"fmt"
	"strings"

	"castgate/cmd/castgate/internal/process"
	"castgate/server/control/access"
)

// Commands is the grammar of `castgate key`.
type Commands struct {
	New    newCommand    `cmd:"" help:"Create a key and its line for --control-keys-file. A name may have two keys, so that callers can switch over."`
	List   listCommand   `cmd:"" help:"List the keys in a file: name, scopes, fingerprint and creation time."`
	Revoke revokeCommand `cmd:"" help:"Remove a key from a file; a running gateway accepts it until the next reload."`
}

// newCommand is `castgate key new`.
type newCommand struct {
	Name  string   `required:"" placeholder:"NAME" help:"Name of the key in logs: letters, digits and . _ @ -"`
	Scope []string `required:"" placeholder:"SCOPE" help:"Scopes of the key: read, push, manage, separated by commas. Repeatable."`
	File  string   `placeholder:"FILE" help:"Append the line to this key file instead of printing it; the file is created if it does not exist."`
}

// Run creates a key and prints it, this once, and the line for the file of
// keys, from which the gateway recognizes the key without knowing it.
func (c *newCommand) Run(p *process.Process) error {
	scopes, err := access.ParseScopes(strings.Join(c.Scope, ","))
	if err != nil {
		return process.Failf(process.ExitUsage, "--scope: %w", err)
	}
	key, secret, err := access.NewKey(c.Name, scopes)
	if err != nil {
		return process.Failf(process.ExitUsage, "--name: %w", err)
	}
	if c.File != "" {
		if err := appendKey(c.File, key); err != nil {
			return process.Failf(process.ExitFailed, "%w", err)
		}
		fmt.Fprintln(p.Stdout, secret)
		return nil
	}
	fmt.Fprintf(p.Stdout, "# the key, for the caller; it will not be shown again\n%s\n", secret)
	fmt.Fprintf(p.Stdout, "# the line for the --control-keys-file\n%s\n", key.Line())
	return nil
}

// appendKey adds a key to a file, which must be a file of keys.
func appendKey(path string, key access.Key) error {
	return changeKeys(path, func(text []byte) ([]byte, error) {
		if n := len(text); n > 0 && text[n-1] != '\n' {
			text = append(text, '\n')
		}
		return append(text, key.Line()+"\n"...), nil
	})
}
