package store

import "io"

// Files is a directory of segments. The store alone uses it, from several
// goroutines.
type Files interface {
	// List returns the names of all files, in any order.
	List() ([]string, error)
	// Open opens a file that is there for reading and writing.
	Open(name string) (File, error)
	// Create makes a file that must not be there yet.
	Create(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// Sync makes names that were created, renamed and removed last.
	Sync() error
	// Close gives the directory to other processes.
	Close() error
}

// File is an open file of Files.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync returns when all that was written will outlive a loss of power.
	Sync() error
}
