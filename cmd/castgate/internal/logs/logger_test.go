package logs

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
)

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	l, level, err := NewLogger(&out, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	l.Info("below the level")
	l.Warn("at it", "n", 1)
	var line struct {
		Level, Msg string
		N          int
	}
	level.Set(slog.LevelError)
	before := out.Len()
	l.Warn("not any more")
	if out.Len() != before {
		t.Error("the level cannot be raised")
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Level != "WARN" || line.Msg != "at it" || line.N != 1 {
		t.Errorf("logged %q: %v", out.String(), err)
	}
}

// An empty list or object is empty in JSON, and not null.
func TestNothingIsNoNull(t *testing.T) {
	var out bytes.Buffer
	l, _, err := NewLogger(&out, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	l.With("with", []string(nil)).Info("m", "list", []string(nil), "ints", []int(nil), "map", map[string]int(nil), "full", []string{"a"},
		slog.Group("group", "list", []string(nil)), "none", nil)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	got, _ := json.Marshal(line)
	if want := `{"full":["a"],"group":{"list":[]},"ints":[],"level":"INFO","list":[],"map":{},"msg":"m","none":null,"with":[]}`; string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}
