package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockName is the file that the process which uses a directory has locked. It
// holds the number of that process.
const lockName = "lock"

// Directory is Files on disk.
type Directory struct {
	path string
	dir  *os.File // for fsync
	lock *os.File
}

// OpenDirectory takes a directory for this process, and makes it if it is not
// there. Its parent must exist. It fails at once where another process uses it,
// or files cannot be made in it.
func OpenDirectory(path string) (*Directory, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	lock, err := lockDirectory(path)
	if err != nil {
		_ = dir.Close()
		return nil, err
	}
	return &Directory{path: path, dir: dir, lock: lock}, nil
}

func lockDirectory(path string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer func() { _ = lock.Close() }()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot lock %s: %w", lock.Name(), err)
		}
		owner := make([]byte, 16)
		n, _ := lock.ReadAt(owner, 0)
		return nil, fmt.Errorf("%s is in use by process %s", path, strings.TrimSpace(string(owner[:n])))
	}
	if err := lock.Truncate(0); err == nil {
		_, err = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		if err != nil && !errors.Is(err, unix.ENOSPC) { // the number is for people only
			_ = lock.Close()
			return nil, err
		}
	}
	return lock, nil
}

// List implements Files.
func (d *Directory) List() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name() != lockName {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Open implements Files.
func (d *Directory) Open(name string) (File, error) { return d.open(name, 0) }

// Create implements Files.
func (d *Directory) Create(name string) (File, error) { return d.open(name, os.O_CREATE|os.O_EXCL) }

func (d *Directory) open(name string, flags int) (File, error) {
	f, err := os.OpenFile(filepath.Join(d.path, name), os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

// Rename implements Files.
func (d *Directory) Rename(from, to string) error {
	return os.Rename(filepath.Join(d.path, from), filepath.Join(d.path, to))
}

// Remove implements Files.
func (d *Directory) Remove(name string) error { return os.Remove(filepath.Join(d.path, name)) }

// Sync implements Files.
func (d *Directory) Sync() error { return d.dir.Sync() }

// Close implements Files.
func (d *Directory) Close() error { return errors.Join(d.dir.Close(), d.lock.Close()) }

type diskFile struct{ *os.File }

// Size implements File.
func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Sync implements File. The size of a file is part of what fdatasync writes.
func (f diskFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
