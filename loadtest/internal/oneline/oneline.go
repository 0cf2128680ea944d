// Package oneline makes errors, counts and bytes of a server fit into one line of text.
package oneline

import (
	"fmt"
	"slices"
	"strings"
)

// Excerpt makes bytes of the server fit into a line of text.
func Excerpt(b []byte) string {
	const most = 80
	s := b
	if len(s) > most {
		s = s[:most]
	}
	q := strings.Trim(fmt.Sprintf("%q", s), `"`)
	if len(b) > most {
		q += "…"
	}
	return "“" + q + "”"
}

// Join joins errors; nil if there are none.
func Join(all []error) error {
	all = slices.DeleteFunc(all, func(err error) bool { return err == nil })
	texts := make([]string, len(all))
	for i, err := range all {
		texts[i] = err.Error()
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &faults{strings.Join(texts, "; "), all}
}

// faults are several errors on one line.
type faults struct {
	text string
	all  []error
}

func (f *faults) Error() string { return f.text }

func (f *faults) Unwrap() []error { return f.all }
