package logs

import (
	"io"
	"log/slog"
	"reflect"

	"castgate/server/setting"
)

// NewLogger makes the logger of serve. Its level may be changed later. An error
// is a *setting.Error.
func NewLogger(w io.Writer, level, format string) (l *slog.Logger, least *slog.LevelVar, err error) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	initial, ok := levels[level]
	if !ok {
		return nil, nil, setting.Errorf("log-level", "%q is not one of debug, info, warn, error", level)
	}
	if format != "text" && format != "json" {
		return nil, nil, setting.Errorf("log-format", "%q is neither text nor json", format)
	}
	least = &slog.LevelVar{}
	least.Set(initial)
	return slog.New(newHandler(w, format, least)), least, nil
}

// newHandler makes the handler of a log. Without a level it accepts records
// from info up.
func newHandler(w io.Writer, format string, least slog.Leveler) slog.Handler {
	options := &slog.HandlerOptions{Level: least}
	if format == "json" {
		options.ReplaceAttr = emptyForNil
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// emptyForNil writes a nil list as [] in JSON and not as null: programs that
// read logs expect a list.
func emptyForNil(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() != slog.KindAny {
		return a
	}
	switch v := reflect.ValueOf(a.Value.Any()); {
	case v.Kind() == reflect.Slice && v.IsNil():
		a.Value = slog.AnyValue([]struct{}{})
	case v.Kind() == reflect.Map && v.IsNil():
		a.Value = slog.AnyValue(struct{}{})
	}
	return a
}
