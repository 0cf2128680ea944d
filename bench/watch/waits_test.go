package watch

import (
	"net/url"
	"testing"
	"time"
)

// Requests are told apart by what they ask for, not by the names in them.
func TestWaits(t *testing.T) {
	var w waits
	for i, path := range []string{"/api/search?uid=a", "/api/search?uid=b", "/api/search?uid=c", "/api/session"} {
		u, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		w.note(u, time.Duration(i+1)*time.Millisecond)
	}
	if got, want := w.String(), "search?uid 2.0/3.0, session 4.0/4.0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
