package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"castgate/cmd/castgate/internal/knob"
	"castgate/server/control/access"
)

// Limits of control keys.
const (
	keyLenMax  = 512
	keyLenWarn = 16 // shorter ones cause a warning
	keysMax    = access.MaxKeys
)

// readKeys turns the values of --control-key into keys. Each is a key, or
// @/path of a file with one key per line, where blank lines and lines that
// begin with # are ignored. Errors never show a key.
func readKeys(values []string, read knob.Reader) (keys, warnings []string, err error) {
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

// warnOfCallers warns of who can use the control API, and who cannot.
func (e *effective) warnOfCallers() {
	e.warnOfShortKeys()
	e.warnOfNoCallers()
}

// warnOfShortKeys warns of keys that can be guessed, if other hosts can try. A
// file that was cut within a line also leaves such a key.
func (e *effective) warnOfShortKeys() {
	c := &e.control
	short := 0
	for _, key := range c.Keys {
		if len(key) < keyLenWarn {
			short++
		}
	}
	if short == 0 || isLocal(c.Listen) {
		return
	}
	have := "have"
	if short == 1 {
		have = "has"
	}
	e.warnings = append(e.warnings, fmt.Sprintf("control-key: %d of %d keys %s fewer than %d characters and can be guessed; castgate key new creates better ones",
		short, len(c.Keys), have, keyLenWarn))
}

// loopbacks are the networks that callers of a loopback address come from.
var loopbacks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// warnOfNoCallers warns if none of the allowed networks can reach the control
// port. It is only a warning, since closing the port may be intended.
func (e *effective) warnOfNoCallers() {
	c := &e.control
	if len(c.Allow) == 0 || !isLocal(c.Listen) || strings.HasPrefix(c.Listen, "unix:") {
		return
	}
	for _, allowed := range c.Allow {
		if slices.ContainsFunc(loopbacks, allowed.Overlaps) {
			return
		}
	}
	e.warnings = append(e.warnings, fmt.Sprintf("control-allow: no network contains a loopback address, but only this host reaches %s; every caller will be refused", c.Listen))
}

// isLocal reports whether only this host can reach a control address.
func isLocal(listen string) bool {
	if strings.HasPrefix(listen, "unix:") {
		return true
	}
	host, _, _ := net.SplitHostPort(listen)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// readScopedKeys reads a file of keys with scopes. It contains only hashes, so
// others may read it, but not write it.
func readScopedKeys(path string, read knob.Reader) (keys []access.Key, warning string, err error) {
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
