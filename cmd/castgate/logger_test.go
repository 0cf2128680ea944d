package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
)

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	l, level, _, err := newLogger(&out, "warn", "json")
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
