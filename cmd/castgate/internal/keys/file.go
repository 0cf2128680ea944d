package keys

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
	"castgate/server/control/access"
)

// listCommand is `castgate key list`.
type listCommand struct {
	File string `required:"" placeholder:"FILE" help:"The file of --control-keys-file."`
}

// Run prints a line for each key; nothing in it gives access.
func (c *listCommand) Run(p *process.Process) error {
	text, err := knob.ReadLimited(c.File)
	if err != nil {
		return process.Failf(process.ExitFailed, "%w", err)
	}
	keys, err := access.ParseKeys(text)
	if err != nil {
		return process.Failf(process.ExitFailed, "%s: %w", c.File, err)
	}
	w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSCOPES\tFINGERPRINT\tCREATED")
	for _, k := range keys {
		created := "-"
		if !k.Created.IsZero() {
			created = k.Created.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Name, k.Scopes, k.Fingerprint(), created)
	}
	return w.Flush()
}

// revokeCommand is `castgate key revoke`.
type revokeCommand struct {
	File        string `required:"" placeholder:"FILE" help:"The file of --control-keys-file."`
	Name        string `placeholder:"NAME" help:"Revoke the keys with this name."`
	Fingerprint string `placeholder:"HEX" help:"Revoke the key whose hash begins with these digits, 8 or more, as castgate key list shows it."`
}

// fingerprintLeast is how many digits of a hash identify a key.
const fingerprintLeast = 8

// Run removes the keys from the file and prints which they were.
func (c *revokeCommand) Run(p *process.Process) error {
	c.Fingerprint = strings.ToLower(strings.TrimPrefix(c.Fingerprint, "sha256:"))
	switch {
	case c.Name == "" && c.Fingerprint == "":
		return process.Failf(process.ExitUsage, "key revoke: give --name, --fingerprint or both")
	case c.Fingerprint != "" && len(c.Fingerprint) < fingerprintLeast:
		return process.Failf(process.ExitUsage, "--fingerprint: give at least %d digits", fingerprintLeast)
	}
	if _, err := os.Stat(c.File); err != nil {
		return process.Failf(process.ExitFailed, "%w", err)
	}
	var revoked []access.Key
	err := changeKeys(c.File, func(text []byte) (kept []byte, err error) {
		kept, revoked, err = c.cut(text)
		return kept, err
	})
	if err != nil {
		return process.Failf(process.ExitFailed, "%w", err)
	}
	for _, k := range revoked {
		fmt.Fprintf(p.Stdout, "revoked %s %s\n", k.Name, k.Fingerprint())
	}
	fmt.Fprintln(p.Stderr, "a running gateway accepts the key until it reloads (castgate reload or SIGHUP)")
	return nil
}

// cut removes the lines of the selected keys from a file of keys.
func (c *revokeCommand) cut(text []byte) (kept []byte, revoked []access.Key, err error) {
	left := 0
	for line := range bytes.Lines(text) {
		keys, err := access.ParseKeys(line)
		switch {
		case err != nil || len(keys) == 0: // a comment; invalid lines are refused later
		case (c.Name == "" || keys[0].Name == c.Name) && strings.HasPrefix(hex.EncodeToString(keys[0].Hash[:]), c.Fingerprint):
			revoked = append(revoked, keys[0])
			continue
		default:
			left++
		}
		kept = append(kept, line...)
	}
	switch {
	case len(revoked) == 0:
		return nil, nil, errors.New("no such key; see castgate key list")
	case left == 0:
		return nil, nil, errors.New("this is the last key: a gateway rejects a file without keys and would keep accepting this one; create another key first")
	}
	return kept, revoked, nil
}

// changeKeys rewrites a file of keys, which is created if it does not exist.
// Readers see the old or the new file, always whole: the new one is written
// beside it and renamed. Concurrent changes are serialized. On an error nothing
// changes.
func changeKeys(path string, change func(text []byte) ([]byte, error)) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close() // ends the lock
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("%s cannot be locked: %w", dir.Name(), err)
	}
	text, err := knob.ReadLimited(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	changed, err := change(text)
	if err == nil {
		_, err = access.ParseKeys(changed)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; nothing was written", path, err)
	}
	return replaceFile(path, changed)
}

// replaceFile replaces a file atomically, keeping its owner and mode; a new
// file gets 0600.
func replaceFile(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if info, err := os.Stat(path); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && (int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid()) {
			if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
				return err // its readers could no longer read it
			}
		}
		if err := f.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
	}
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
