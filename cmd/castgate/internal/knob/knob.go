// Package knob has the settings as people write them: flags, variables of the environment
// and a file, texts with units. It knows where each value came from, and what is said of one
// that is wrong.
package knob

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// ConfigFlag names the flag, and with its prefix the variable, of the file.
const ConfigFlag = "config"

// ConfigFile is the flag that names the file. It is not a setting: a file
// cannot name itself.
type ConfigFile struct {
	Config string `placeholder:"FILE" help:"TOML file of settings."`
}

// Prefix begins the name of every variable of ours.
const Prefix = "CASTGATE_"

// OfServe are the flags of `castgate serve`, in the order declared.
func OfServe(app *kong.Application) []*kong.Flag {
	i := slices.IndexFunc(app.Children, func(n *kong.Node) bool { return n.Name == "serve" })
	return app.Children[i].Flags
}

// Is distinguishes settings, which variables and the file may also set,
// from the flags that are arguments of one command.
func Is(f *kong.Flag) bool { return f.Tag.Has("unit") }

// Variable is the variable for a setting.
func Variable(knob string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(knob, "-", "_"))
}

// HotTag marks the settings that a reload applies.
const HotTag = "hot"

// Hot tells whether a reload applies a setting.
func Hot(f *kong.Flag) bool { return f.Tag.Has(HotTag) }

// Values are the values of serve's settings after a command line was
// parsed.
func Values(app *kong.Application) map[string]any {
	values := map[string]any{}
	for _, f := range OfServe(app) {
		if Is(f) {
			values[f.Name] = f.Target.Interface()
		}
	}
	return values
}

// blankTag marks texts that may be empty.
const blankTag = "blank"

// refusesEmpty reports whether a setting may be empty in the file only.
// Elsewhere an empty value is far more often an unset variable of a script than
// the wish to have no keys, no CA certificates or no configuration at all.
func refusesEmpty(f *kong.Flag) bool {
	if !Is(f) && f.Name != ConfigFlag {
		return f.IsSlice()
	}
	return f.IsSlice() || f.Target.Kind() == reflect.String && !f.Tag.Has(blankTag)
}

func emptyError(f *kong.Flag) error {
	def := f.Default
	if def == "" {
		def = "none"
	}
	return fmt.Errorf("is empty; leave it out to have %s", def)
}
