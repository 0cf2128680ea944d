package main

import (
	"bytes"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
)

// The man page and the completions have every command and every setting, whatever the
// line that asks for them needs itself.
func TestManualIsWhole(t *testing.T) {
	var c commands
	src := knob.NewSources(nil)
	parser, err := commandline.NewParser(&c, src, &process.Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	for line, dash := range map[string]string{"man": `\-`, "completion bash": "-", "completion zsh": "-", "completion fish": "-"} {
		var out, log bytes.Buffer
		if code := run(strings.Fields(line), process.Process{Stdout: &out, Stderr: &log}); code != 0 {
			t.Fatalf("castgate %s: exit %d, %s", line, code, &log)
		}
		if len(src.Names) < 50 {
			t.Fatalf("only %d settings", len(src.Names))
		}
		for _, k := range src.Names {
			if name := strings.ReplaceAll(k, "-", dash); !strings.Contains(out.String(), name) {
				t.Errorf("castgate %s: no %s", line, name)
			}
		}
		for _, n := range parser.Model.Children {
			if !strings.Contains(out.String(), n.Name) {
				t.Errorf("castgate %s: no %s", line, n.Name)
			}
		}
	}
	if code := run([]string{"completion", "csh"}, process.Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}); code != process.ExitUsage {
		t.Errorf("completion csh: exit %d", code)
	}
}
