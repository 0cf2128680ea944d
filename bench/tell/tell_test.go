package tell

import (
	"os"
	"strings"
	"testing"
	"time"

	"castgate/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// Everything is measured, and nothing is lost.
func TestRun(t *testing.T) {
	var out strings.Builder
	o := Options{Castgate: wstest.Build(t), Rounds: 1, Senders: 4, Rate: 1000, Warmup: 50 * time.Millisecond, Measure: 200 * time.Millisecond, Idle: 50, Out: &out}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 5 || !strings.Contains(lines[4], "events/s sent") || strings.Contains(out.String(), " 0 events/s") {
		t.Errorf("%s", out.String())
	}
}
