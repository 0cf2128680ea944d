package gateway

import (
	"errors"
	"fmt"
	"testing"
)

// Callers tell errors apart by their codes alone, however deeply they are
// wrapped.
func TestErrorIs(t *testing.T) {
	err := fmt.Errorf("bind: %w", &Error{Code: CodeUnknownClient, Detail: "no client 7f"})
	if !errors.Is(err, &Error{Code: CodeUnknownClient}) || !errors.Is(err, &Error{Code: CodeUnknownClient, Detail: "another"}) {
		t.Errorf("%v is not %s", err, CodeUnknownClient)
	}
	if errors.Is(err, &Error{Code: CodeBusy}) || errors.Is(err, errors.New("unknown_client: no client 7f")) {
		t.Errorf("%v is an error with another code or of another type", err)
	}
	if got, want := err.Error(), "bind: unknown_client: no client 7f"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
