package setting

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

// The name and the cause stay separate, however deeply the error is wrapped.
func TestError(t *testing.T) {
	err := fmt.Errorf("reload: %w", Errorf("tls-cert", "%q: %w", "a:b", fs.ErrNotExist))
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Name != "tls-cert" || e.Err.Error() != `"a:b": file does not exist` || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is %+v", err, e)
	}
	if got, want := err.Error(), `reload: tls-cert: "a:b": file does not exist`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// An error keeps the name that it was given first.
func TestNamed(t *testing.T) {
	if err := Named("listen", nil); err != nil {
		t.Errorf("no error became %v", err)
	}
	first := Named("jwt-leeway", errors.New("too long"))
	if first.Error() != "jwt-leeway: too long" {
		t.Errorf("%v", first)
	}
	if again := Named("jwt-secret", first); again != first {
		t.Errorf("%v became %v", first, again)
	}
}
