package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
	"castgate/server/control/access"
)

// initCommand is `castgate init`.
type initCommand struct {
	Dir string `arg:"" optional:"" default:"." placeholder:"DIR" help:"Directory of the files; it must exist. Default: the current one."`
}

// The files of init.
const (
	initConfig = "castgate.toml"
	initKeys   = "castgate.keys"
)

// initKey is a key that init makes.
type initKey struct {
	name, use string
	scopes    access.Scope
}

var initialKeys = []initKey{
	{"backend", "your application", access.AllScopes},
	{"admin", "you, on the admin page", access.AllScopes},
}

// Run writes a configuration that explains itself and a file of fresh keys, and prints
// the keys, this once. It overwrites nothing.
func (c *initCommand) Run(ctx *kong.Context, p *process.Process) error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return process.Failf(process.ExitFailed, "%w", err)
	}
	config, keys := filepath.Join(dir, initConfig), filepath.Join(dir, initKeys)
	for _, path := range []string{config, keys} {
		if _, err := os.Lstat(path); err == nil {
			return process.Failf(process.ExitFailed, "%s exists already; nothing was written", path)
		}
	}
	secrets := make([]string, len(initialKeys))
	lines := "# Keys of the control API, as castgate key new writes them: hashes, which open nothing.\n"
	for i, k := range initialKeys {
		key, secret, err := access.NewKey(k.name, k.scopes)
		if err != nil {
			return process.Failf(process.ExitFailed, "%w", err)
		}
		secrets[i], lines = secret, lines+key.Line()+"\n"
	}
	if err := writeNew(keys, []byte(lines), 0o600); err != nil {
		return process.Failf(process.ExitFailed, "%w", err)
	}
	if err := writeNew(config, initialConfig(ctx.Model, keys), 0o644); err != nil {
		_ = os.Remove(keys)
		return process.Failf(process.ExitFailed, "%w", err)
	}
	fmt.Fprintf(p.Stdout, "wrote %s and %s\n\nThe keys are shown this once:\n", config, keys)
	for i, k := range initialKeys {
		fmt.Fprintf(p.Stdout, "  %-8s %s  for %s\n", k.name, secrets[i], k.use)
	}
	fmt.Fprintf(p.Stdout, "\nNext:\n  castgate serve --config %s\n  and log in at http://127.0.0.1:7274/ with the key admin\n", config)
	return nil
}

// writeNew writes a file that does not exist.
func writeNew(path string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}

// initialConfig is a configuration with every setting: some are set, the others are
// comments with their defaults.
func initialConfig(app *kong.Application, keys string) []byte {
	set := map[string]any{
		"listen": []string{":7272"}, "control": "127.0.0.1:7273", "control-keys-file": keys, "admin": "127.0.0.1:7274",
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The configuration of castgate %s, as castgate init writes it.\n", version)
	fmt.Fprintf(&b, "# Each setting is also a flag (--name) and a variable (%sNAME, - becomes _);\n", knob.Prefix)
	b.WriteString("# flags win over variables, variables over the file. A line that begins with #= has a default:\n")
	b.WriteString("# remove the #= to change it. castgate config check --config FILE tells what is wrong.\n")
	for _, flag := range knob.OfServe(app) {
		if !knob.Is(flag) {
			continue
		}
		help := flag.Help
		if knob.Hot(flag) {
			help += " A reload applies it."
		}
		fmt.Fprintf(&b, "\n# %s\n# unit: %s\n", help, flag.Tag.Get("unit"))
		if v, ok := set[flag.Name]; ok {
			b.WriteString(knob.TOML(flag.Name, v))
			continue
		}
		b.WriteString("#= " + knob.TOML(flag.Name, defaultOf(flag)))
	}
	return b.Bytes()
}

// defaultOf is a flag's default, as a file writes it.
func defaultOf(flag *kong.Flag) any {
	switch kind := flag.Target.Kind(); {
	case kind == reflect.Slice:
		list := []string{}
		for item := range strings.SplitSeq(flag.Default, ",") {
			if item != "" {
				list = append(list, item)
			}
		}
		return list
	case kind == reflect.Bool:
		return flag.Default == "true"
	case flag.Target.CanInt() || flag.Target.CanUint() || flag.Target.CanFloat():
		if n, err := strconv.ParseInt(flag.Default, 10, 64); err == nil {
			return n
		}
	}
	return flag.Default // a text, or a duration or size with its unit
}
