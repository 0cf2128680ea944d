package main

import (
	"fmt"
	"io"
	"log/slog"
)

// newLogger makes the logger that all of serve writes to. name is the setting
// that is wrong if err is not nil.
// The level may be changed later.
func newLogger(w io.Writer, level, format string) (l *slog.Logger, least *slog.LevelVar, name string, err error) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	initial, ok := levels[level]
	if !ok {
		return nil, nil, "log-level", fmt.Errorf("%q is none of debug, info, warn, error", level)
	}
	least = &slog.LevelVar{}
	least.Set(initial)
	options := &slog.HandlerOptions{Level: least}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), least, "", nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), least, "", nil
	}
	return nil, nil, "log-format", fmt.Errorf("%q is none of text, json", format)
}
