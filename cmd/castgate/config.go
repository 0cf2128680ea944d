package main

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/logs"
	"castgate/cmd/castgate/internal/process"
	"castgate/server/openfiles"
	"castgate/server/setting"
)

// configCheckCommand is `castgate config check`.
type configCheckCommand struct{ settings }

// Run prints ok, or returns the first wrong setting. It reads the same files as
// serve.
func (c *configCheckCommand) Run(p *process.Process, src *knob.Sources) error {
	e, err := c.resolve(p, src)
	if err != nil {
		return err
	}
	if err := e.checkFiles(); err != nil {
		return startError(err, src)
	}
	for _, w := range e.warnings {
		fmt.Fprintln(p.Stderr, "castgate: warning: "+process.OneLine(w))
	}
	fmt.Fprintln(p.Stdout, "ok")
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
	if err := e.admin.Check(); err != nil {
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
	if err := logs.MayAudit(e.auditLog); err != nil {
		return setting.Named("audit-log", err)
	}
	return nil
}

// configPrintCommand is `castgate config print`.
type configPrintCommand struct{ settings }

// Run prints the configuration that serve would use with the same flags,
// variables and file, as a file that serve can read. Keys are not printed.
func (c *configPrintCommand) Run(ctx *kong.Context, p *process.Process, src *knob.Sources) error {
	if _, err := c.resolve(p, src); err != nil {
		return err
	}
	w := bufio.NewWriter(p.Stdout)
	fmt.Fprintf(w, "# castgate %s, the effective configuration.\n", version)
	fmt.Fprintf(w, "# Each setting is also a flag (--name) and a variable (%sNAME, - becomes _);\n", knob.Prefix)
	fmt.Fprintf(w, "# flags win over variables, variables over the file.\n")
	for _, flag := range ctx.Selected().Flags {
		if knob.Is(flag) {
			printKnob(w, flag, src)
		}
	}
	return w.Flush()
}

// printKnob writes one setting: meaning, unit, default and origin of its value
// as comments, then name = value.
func printKnob(w *bufio.Writer, flag *kong.Flag, src *knob.Sources) {
	from := src.From[flag.Name]
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
	if knob.Hot(flag) {
		help += " A reload applies it."
	}
	fmt.Fprintf(w, "\n# %s\n# unit: %s; default: %s; from: %s\n", help, flag.Tag.Get("unit"), def, from)
	if keys, ok := flag.Target.Interface().([]string); ok && (flag.Name == "control-key" || flag.Name == "events-secret") && hasSecret(keys) {
		// A masked value must not be usable as a key.
		fmt.Fprintf(w, "# %s = (%d given, not shown)\n", flag.Name, len(keys))
		return
	}
	if text, ok := flag.Target.Interface().(string); ok && slices.Contains(knob.Secrets, flag.Name) && text != "" && hasSecret([]string{text}) {
		fmt.Fprintf(w, "# %s = (given, not shown)\n", flag.Name)
		return
	}
	w.WriteString(knob.TOML(flag.Name, flag.Target.Interface()))
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
