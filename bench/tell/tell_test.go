package tell

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"castgate/internal/wstest"
)

func TestMain(m *testing.M) {
	if text := os.Getenv("CASTGATE_TEST_PART"); text != "" {
		p := Part{Backend: os.Args[2], To: os.Args[4], Post: os.Args[6]}
		_, _ = fmt.Sscan(os.Args[8]+" "+os.Args[10], &p.Senders, &p.Rate)
		if err := Play(p, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(wstest.Main(m))
}

// Everything is measured, and nothing is lost.
func TestRun(t *testing.T) {
	var out strings.Builder
	o := Defaults()
	o.Castgate, o.Part = wstest.Build(t), []string{"/usr/bin/env", "CASTGATE_TEST_PART=1", os.Args[0]}
	o.Rounds, o.Senders, o.Rate, o.Idle, o.Out = 1, 4, 1000, 50, &out
	o.Warmup, o.Measure, o.Quiet = 50*time.Millisecond, 200*time.Millisecond, 0
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 6 || !strings.Contains(lines[5], "events/s sent") ||
		strings.Count(out.String(), " 0 events/s") != 1 {
		t.Errorf("%s", out.String())
	}
}
