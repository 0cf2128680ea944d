// Package errtest checks the texts of errors in tests.
package errtest

import (
	"strings"
	"testing"
)

// Contains checks that an error contains certain texts.
func Contains(t *testing.T, err error, all ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", all)
		return
	}
	for _, want := range all {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
}
