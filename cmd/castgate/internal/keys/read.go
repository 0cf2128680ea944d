// Package keys has the keys of the control API: those that a command line or a file gives, and
// the commands that create, list and revoke them.
package keys

import (
	"fmt"
	"os"
	"strings"

	"castgate/cmd/castgate/internal/knob"
	"castgate/server/control/access"
)

// Limits of control keys.
const (
	longestLen = 512
	ShortLen   = 16 // shorter ones are refused if other hosts can try them
	keysMax    = access.MaxKeys
)

// Read turns the values of --control-key into keys. Each is a key, or
// @/path of a file with one key per line, where blank lines and lines that
// begin with # are ignored. Errors never show a key.
func Read(values []string, read knob.Reader) (keys, warnings []string, err error) {
	for i, v := range knob.Trimmed(values) {
		path, isFile := strings.CutPrefix(v, "@")
		if !isFile {
			if err := checkKey(v); err != nil {
				return nil, nil, fmt.Errorf("key %d %w", i+1, err)
			}
			keys = append(keys, v)
			continue
		}
		fromFile, warning, err := readKeyFile(path, read)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, fromFile...)
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	if len(keys) > keysMax {
		return nil, nil, fmt.Errorf("%d keys are more than %d", len(keys), keysMax)
	}
	return keys, warnings, nil
}

// ReadScoped reads a file of keys with scopes. It contains only hashes, so
// others may read it, but not write it.
func ReadScoped(path string, read knob.Reader) (keys []access.Key, warning string, err error) {
	text, err := read(path)
	if err != nil {
		return nil, "", err
	}
	if keys, err = access.ParseKeys(text); err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	if len(keys) == 0 {
		return nil, "", fmt.Errorf("%s holds no key", path)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o022 != 0 {
		warning = fmt.Sprintf("the key file %s can be written by others (mode %04o); chmod go-w it", path, info.Mode().Perm())
	}
	return keys, warning, nil
}

func readKeyFile(path string, read knob.Reader) (keys []string, warning string, err error) {
	text, err := read(path)
	if err != nil {
		return nil, "", err
	}
	line := 0
	for key := range strings.Lines(string(text)) {
		line++
		key = strings.TrimSpace(key)
		if key == "" || strings.HasPrefix(key, "#") {
			continue
		}
		if err := checkKey(key); err != nil {
			return nil, "", fmt.Errorf("%s:%d: the key %w", path, line, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, "", fmt.Errorf("%s holds no key", path)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o044 != 0 {
		warning = fmt.Sprintf("the key file %s can be read by others (mode %04o); chmod 600 it", path, info.Mode().Perm())
	}
	return keys, warning, nil
}

// checkKey refuses what cannot be in an Authorization header.
func checkKey(key string) error {
	if key == "" {
		return fmt.Errorf("is empty")
	}
	if len(key) > longestLen {
		return fmt.Errorf("is longer than %d bytes", longestLen)
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return fmt.Errorf("has a character that is not printable ASCII")
		}
	}
	return nil
}
