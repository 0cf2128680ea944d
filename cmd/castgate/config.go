package main

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"

	"castgate/server/openfiles"
	"castgate/server/setting"
)

// configCheckCommand is `castgate config check`.
type configCheckCommand struct{ settings }

// Run prints ok, or returns the first wrong setting. It reads the same files as
// serve.
func (c *configCheckCommand) Run(p *process, src *sources) error {
	e, err := c.resolve(p, src)
	if err != nil {
		return err
	}
	if err := e.checkFiles(); err != nil {
		return startError(err, src)
	}
	for _, w := range e.warnings {
		fmt.Fprintln(p.stderr, "castgate: warning: "+oneLine(w))
	}
	fmt.Fprintln(p.stdout, "ok")
	return nil
}

// checkFiles checks what otherwise only a start reads or opens. The error of a
// setting is a *setting.Error.
func (e *effective) checkFiles() error {
	if err := e.server.CheckCertificates(); err != nil {
		return err
	}
	if err := e.control.TLS.Check(); err != nil {
		return err
	}
	files, _ := openfiles.Raise() // as serve would
	innerFiles(e, files)
	if err := e.server.CheckFiles(); err != nil {
		return err
	}
	if e.events != nil && e.events.Dir != "" {
		if err := checkEventsDir(e.events.Dir); err != nil {
			return setting.Named("events-dir", err)
		}
	}
	if err := mayAudit(e.auditLog); err != nil {
		return setting.Named("audit-log", err)
	}
	return nil
}

// configPrintCommand is `castgate config print`.
type configPrintCommand struct{ settings }

// Run prints the configuration that serve would use with the same flags,
// variables and file, as a file that serve can read. Keys are not printed.
func (c *configPrintCommand) Run(ctx *kong.Context, p *process, src *sources) error {
	if _, err := c.resolve(p, src); err != nil {
		return err
	}
	w := bufio.NewWriter(p.stdout)
	fmt.Fprintf(w, "# castgate %s, the effective configuration.\n", version)
	fmt.Fprintf(w, "# Each setting is also a flag (--name) and a variable (%sNAME, - becomes _);\n", variablePrefix)
	fmt.Fprintf(w, "# flags win over variables, variables over the file.\n")
	for _, flag := range ctx.Selected().Flags {
		if isKnob(flag) {
			printKnob(w, flag, src)
		}
	}
	return w.Flush()
}

// printKnob writes one setting: meaning, unit, default and origin of its value
// as comments, then name = value.
func printKnob(w *bufio.Writer, flag *kong.Flag, src *sources) {
	from := src.from[flag.Name]
	if from == "" {
		from = "default"
	}
	def := flag.Default
	if a := flag.Tag.Get("auto"); a != "" {
		def += " (" + a + ")"
	}
	if def == "" && flag.IsSlice() {
		def = "none"
	}
	help := flag.Help
	if isHot(flag) {
		help += " A reload applies it."
	}
	fmt.Fprintf(w, "\n# %s\n# unit: %s; default: %s; from: %s\n", help, flag.Tag.Get("unit"), def, from)
	if keys, ok := flag.Target.Interface().([]string); ok && (flag.Name == "control-key" || flag.Name == "events-secret") && hasSecret(keys) {
		// A masked value must not be usable as a key.
		fmt.Fprintf(w, "# %s = (%d given, not shown)\n", flag.Name, len(keys))
		return
	}
	if text, ok := flag.Target.Interface().(string); ok && slices.Contains(secrets, flag.Name) && text != "" && hasSecret([]string{text}) {
		fmt.Fprintf(w, "# %s = (given, not shown)\n", flag.Name)
		return
	}
	w.WriteString(tomlSetting(flag.Name, flag.Target.Interface()))
}

// hasSecret reports whether one of the values is a key and not a file.
func hasSecret(values []string) bool {
	for _, v := range values {
		if !strings.HasPrefix(strings.TrimSpace(v), "@") {
			return true
		}
	}
	return false
}

// tomlSetting is one line of TOML: name = value.
func tomlSetting(name string, v any) string {
	switch t := v.(type) {
	case fmt.Stringer: // durations and sizes are strings with units
		v = t.String()
	case []string:
		if t == nil {
			v = []string{}
		}
	}
	line, err := toml.Marshal(map[string]any{name: v})
	if err != nil {
		panic(err) // strings, numbers and lists of strings only
	}
	return string(line)
}
