package knob

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// checkText refuses what a text or list of texts probably contains by accident
// and what then matches nothing: quotes kept by a file of variables, a line end
// after a secret, an empty item. Errors do not show the value: it may be a key.
// Messages to clients may be any text.
func checkText(flag *kong.Flag, value any) error {
	if !Is(flag) && flag.Name != ConfigFlag || flag.Tag.Has(blankTag) {
		return nil
	}
	switch v := value.(type) {
	case string:
		if strings.TrimSpace(v) != v {
			return errors.New("has leading or trailing white space")
		}
		return checkItem(flag.Name, v)
	case []string:
		for i, item := range v {
			item = strings.TrimSpace(item)
			if item == "" && len(v) > 1 && flag.Name != "control-key" { // keys.Read has a better error
				return fmt.Errorf("item %d is empty", i+1)
			}
			if err := checkItem(flag.Name, item); err != nil {
				return fmt.Errorf("item %d %w", i+1, err)
			}
		}
	}
	return nil
}

// Secrets are the settings that hold a secret, or @ and the path of its file.
var Secrets = []string{"control-key", "jwt-secret", "gatewayworker-secret", "events-secret", "cluster-secret"}

func checkItem(setting, text string) error {
	if n := len(text); n >= 2 && text[0] == text[n-1] && strings.IndexByte("\"'`", text[0]) >= 0 {
		return fmt.Errorf("is in quotes (%c), which would become part of it; remove them", text[0])
	}
	if text == "@" {
		return errors.New("has no path after its @")
	}
	if !utf8.ValidString(text) {
		return errors.New("is not UTF-8")
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return errors.New("has a control character, such as the end of a line")
	}
	if mark := "\ufeff"; strings.HasPrefix(text, mark) {
		return errors.New("begins with a byte order mark")
	}
	// Secrets may have a slash: only a file that is there is told from one.
	if slices.Contains(Secrets, setting) && strings.Contains(text, "/") {
		if info, err := os.Stat(text); err == nil && !info.IsDir() {
			return errors.New("is the path of a file; write @ before it to use the file's content")
		}
	}
	return nil
}
