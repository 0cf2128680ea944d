package main

import (
	"bytes"
	"strings"
	"testing"
)

// The man page and the completions have every command and every setting, whatever the
// line that asks for them needs itself.
func TestManualIsWhole(t *testing.T) {
	var c commands
	src := newSources(nil)
	parser, err := newParser(&c, src, &process{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	for line, dash := range map[string]string{"man": `\-`, "completion bash": "-", "completion zsh": "-", "completion fish": "-"} {
		var out, log bytes.Buffer
		if code := run(strings.Fields(line), process{stdout: &out, stderr: &log}); code != 0 {
			t.Fatalf("castgate %s: exit %d, %s", line, code, &log)
		}
		if len(src.knobs) < 50 {
			t.Fatalf("only %d settings", len(src.knobs))
		}
		for _, k := range src.knobs {
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
	if code := run([]string{"completion", "csh"}, process{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}); code != exitUsage {
		t.Errorf("completion csh: exit %d", code)
	}
}
