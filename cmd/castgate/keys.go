package main

import (
	"fmt"
	"os"
	"strings"

	"castgate/server/control"
)

// Limits of control keys.
const (
	keyLenMax = 512
	keysMax   = control.MaxKeys
)

// readKeys turns the values of --control-key into keys: each is a key, or
// @/path of a file with one key a line, where blank lines and lines that begin
// with # count for nothing. Errors never show a key.
func readKeys(values []string, read fileReader) (keys, warnings []string, err error) {
	for i, v := range trimmed(values) {
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

// readScopedKeys reads a file of keys with scopes. It holds hashes only, so
// others may read it, but not write it.
func readScopedKeys(path string, read fileReader) (keys []control.Key, warning string, err error) {
	text, err := read(path)
	if err != nil {
		return nil, "", err
	}
	if keys, err = control.ParseKeys(text); err != nil {
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

func readKeyFile(path string, read fileReader) (keys []string, warning string, err error) {
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

// checkKey refuses what cannot stand in an Authorization header.
func checkKey(key string) error {
	if key == "" {
		return fmt.Errorf("is empty")
	}
	if len(key) > keyLenMax {
		return fmt.Errorf("is longer than %d bytes", keyLenMax)
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return fmt.Errorf("has a character that is not printable ASCII")
		}
	}
	return nil
}
