// Package setting holds the error of a setting that is wrong. Packages that check
// settings return it, and cmd/castgate shows it with where the value came from.
package setting

import (
	"errors"
	"fmt"
)

// Error says that a setting is wrong, alone or beside another.
type Error struct {
	// Name is the setting's, as on the command line but without the dashes.
	Name string
	// Err says what is wrong. It does not repeat the name, nor a value that may be
	// a secret.
	Err error
}

// Error implements the error interface: the name, a colon, and what is wrong.
func (e *Error) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap gives errors.Is and errors.As what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// Errorf is the error of a setting, with fmt.Errorf's format and %w.
func Errorf(name, format string, args ...any) error {
	return &Error{Name: name, Err: fmt.Errorf(format, args...)}
}

// Named makes err the error of a setting. It returns nil for nil, and err itself
// if that names a setting already: whoever is nearer to a mistake knows better
// which setting it is in.
func Named(name string, err error) error {
	if err == nil {
		return nil
	}
	if _, named := errors.AsType[*Error](err); named {
		return err
	}
	return &Error{Name: name, Err: err}
}
