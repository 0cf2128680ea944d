package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// section is what stands under a section of a unit, by key.
type section map[string][]string

// unitsOf returns the complete systemd services in a document, by section.
func unitsOf(t *testing.T, path string) (units []map[string]section) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	var unit map[string]section
	var current section
	for line := range strings.Lines(string(text)) {
		content, indented := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		key, value, assigns := strings.Cut(content, "=")
		switch {
		case !indented && strings.TrimSpace(line) != "":
			unit, current = nil, nil
		case strings.HasPrefix(content, "[") && strings.HasSuffix(content, "]"):
			name := content[1 : len(content)-1]
			if unit == nil || unit[name] != nil {
				unit = map[string]section{}
				units = append(units, unit)
			}
			current = section{}
			unit[name] = current
		case current != nil && assigns && !strings.HasPrefix(content, "#"):
			current[key] = append(current[key], value)
		}
	}
	return slices.DeleteFunc(units, func(unit map[string]section) bool { return unit["Unit"] == nil || unit["Service"] == nil })
}

// The units in the documents run castgate as a user of its own, as notifying systemd
// of its start and reload, and with flags that there are. One that nothing else
// starts can be enabled.
func TestUnits(t *testing.T) {
	for path, enabled := range map[string]bool{"docs/deployment.md": true, "docs/rolling-updates.md": false} {
		units := unitsOf(t, path)
		if len(units) == 0 {
			t.Fatalf("%s: no unit", path)
		}
		for _, unit := range units {
			service := unit["Service"]
			if len(service["User"]) != 1 || service["User"][0] == "root" {
				t.Errorf("%s: User=%v", path, service["User"])
			}
			if !slices.Equal(service["Type"], []string{"notify"}) || len(service["ExecReload"]) != 1 || len(service["LimitNOFILE"]) != 1 {
				t.Errorf("%s: %v", path, service)
			}
			if enabled && len(unit["Install"]["WantedBy"]) != 1 {
				t.Errorf("%s: nothing to enable: %v", path, unit["Install"])
			}
			if len(service["ExecStart"]) != 1 {
				t.Fatalf("%s: ExecStart=%v", path, service["ExecStart"])
			}
			command := strings.Fields(service["ExecStart"][0])
			if filepath.Base(command[0]) != "castgate" || command[1] != "serve" {
				t.Errorf("%s: ExecStart=%v", path, command)
			}
			args := slices.DeleteFunc(command[2:], func(arg string) bool { return arg == "--config" || strings.HasSuffix(arg, ".toml") })
			if _, _, err := parse(t, args, nil); err != nil {
				t.Errorf("%s: %v: %v", path, args, err)
			}
		}
	}
}
