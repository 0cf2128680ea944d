package knob

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"

	"castgate/server/token"
)

// fileLimit is the largest file of settings or keys, in bytes.
const fileLimit = 1 << 20

// fileValue is one setting in the file.
type fileValue struct {
	value any    // as TOML decodes it: string, int64, bool, []any, ...
	from  string // file:line
}

// Reader reads a file of settings or keys of at most fileLimit bytes:
// ReadLimited or ReadRegular.
type Reader func(path string) ([]byte, error)

// readFile parses a flat TOML file whose keys are names of settings. Any other
// key is an error that names its line.
func readFile(path string, read Reader, knobs []string) (map[string]fileValue, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	var table map[string]any
	if err := toml.Unmarshal(text, &table); err != nil {
		if e, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, _ := e.Position()
			return nil, fmt.Errorf("%s:%d: %w", path, line, err)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	values := make(map[string]fileValue, len(table))
	for _, k := range fileKeys(text) {
		from := path + ":" + strconv.Itoa(k.line)
		if !slices.Contains(knobs, k.name) {
			return nil, fmt.Errorf("unknown setting %q in %s%s", k.name, from, didYouMean(k.name, slices.Clone(knobs)))
		}
		values[k.name] = fileValue{value: table[k.name], from: from}
	}
	return values, nil
}

// fileKey is a key in the file and its line, counted from 1.
type fileKey struct {
	name string
	line int
}

// fileKeys lists the keys of a valid TOML text in order. Strict decoding into a
// struct without fields reports every key with its position.
func fileKeys(text []byte) []fileKey {
	var none struct{}
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&none)
	missing, ok := errors.AsType[*toml.StrictMissingError](err)
	if !ok {
		return nil
	}
	var keys []fileKey
	for i := range missing.Errors {
		e := &missing.Errors[i]
		line, _ := e.Position()
		keys = append(keys, fileKey{name: strings.Join(e.Key(), "."), line: line})
	}
	return keys
}

// ReadLimited reads a file for a start. It may be a pipe, and then waits for
// its writer.
func ReadLimited(path string) ([]byte, error) {
	text, err := ReadLimitedTo(path, fileLimit)
	if err != nil {
		return nil, err
	}
	return withoutMark(path, text)
}

// ReadRegular reads a file for a reload, which must not block, nor mistake an
// exhausted pipe for an empty file.
func ReadRegular(path string) ([]byte, error) {
	// Without O_NONBLOCK, opening a pipe without a writer would block.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file; a reload needs one", path)
	}
	text, err := readOpen(f, fileLimit)
	if err != nil {
		return nil, err
	}
	return withoutMark(path, text)
}

// withoutMark refuses a text that begins with a byte order mark. Editors write
// one without showing it, and it would become part of a key or secret.
func withoutMark(path string, text []byte) ([]byte, error) {
	if mark := token.ByteOrderMark(text); mark != "" {
		return nil, fmt.Errorf("%s begins with a byte order mark (%s); save it as UTF-8 without one", path, mark)
	}
	return text, nil
}

// ReadLimitedTo reads a file of at most limit bytes; a larger one is an error.
func ReadLimitedTo(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readOpen(f, limit)
}

func readOpen(f *os.File, limit int64) ([]byte, error) {
	tooLarge := fmt.Errorf("%s: larger than %v", f.Name(), Size(limit))
	if info, err := f.Stat(); err == nil && info.Size() > limit {
		return nil, tooLarge
	}
	// A pipe has no size, and a file may grow meanwhile.
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = tooLarge
	}
	return text, err
}

// forFlag converts the value to what kong's mappers read: strings, or a list of
// them for a list. The error does not show the value: it may be a key.
func (v fileValue) forFlag(flag *kong.Flag) (any, error) {
	list, isList := v.value.([]any)
	if on, ok := v.value.(bool); ok && flag.IsBool() {
		return on, nil
	}
	if n, ok := v.value.(float64); ok && flag.Target.Kind() == reflect.Float64 {
		return strconv.FormatFloat(n, 'g', -1, 64), nil
	}
	if !flag.IsSlice() {
		text, ok := scalarText(v.value)
		if !ok {
			return nil, fmt.Errorf("%s is neither a string nor a whole number", tomlName(v.value))
		}
		return text, nil
	}
	if !isList {
		list = []any{v.value}
	}
	for _, item := range list {
		if _, ok := item.(string); !ok {
			return nil, fmt.Errorf("%s is not a string", tomlName(item))
		}
	}
	return list, nil
}

func scalarText(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	return "", false
}

// tomlName is TOML's name for the type of a decoded value.
func tomlName(v any) string {
	switch v.(type) {
	case bool:
		return "a boolean"
	case float64:
		return "a float"
	case int64:
		return "an integer"
	case []any:
		return "an array"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}
