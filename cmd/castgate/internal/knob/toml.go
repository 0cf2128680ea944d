package knob

import (
	"fmt"

	"github.com/pelletier/go-toml/v2"
)

// TOML is one line of TOML: name = value.
func TOML(name string, v any) string {
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
