// Package setting holds the error of an invalid setting. Packages that check
// settings return it, and cmd/castgate shows it together with the source of the
// value.
package setting

import (
	"errors"
	"fmt"
)

// Error says that a setting is invalid, alone or in combination with another.
type Error struct {
	// Name is the name of the setting as on the command line, without the dashes.
	Name string
	// Err says what is wrong. It repeats neither the name nor a value that may be
	// secret.
	Err error
}

// Error implements the error interface: the name, a colon, and what is wrong.
func (e *Error) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap lets errors.Is and errors.As see Err.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns the error of a setting, with fmt.Errorf's format and %w.
func Errorf(name, format string, args ...any) error {
	return &Error{Name: name, Err: fmt.Errorf(format, args...)}
}

// Named makes err the error of a setting. It returns nil for nil, and err itself if
// that already names a setting: the code nearest to a mistake knows best which
// setting it is in.
func Named(name string, err error) error {
	if err == nil {
		return nil
	}
	if _, named := errors.AsType[*Error](err); named {
		return err
	}
	return &Error{Name: name, Err: err}
}
