package watch

import (
	"os"
	"strings"
	"testing"
	"time"

	"castgate/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// Everything is measured. How long requests take on a busy machine is not judged here.
func TestRun(t *testing.T) {
	var out strings.Builder
	o := Options{
		Castgate: wstest.Build(t), Clients: 60, Changes: 150, Audience: 20, Rounds: 1, Watch: 300 * time.Millisecond, Measure: 100 * time.Millisecond, Out: &out,
	}
	if err := Run(t.Context(), o); err != nil && !strings.Contains(err.Error(), "took more than") {
		t.Fatal(err)
	}
	got := out.String()
	if !strings.HasPrefix(got, "changes  60 clients, ") || strings.Contains(got, " 0 requests") || strings.Contains(got, "told 0 ") {
		t.Errorf("%s", got)
	}
}
