package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/bench"
	"castgate/bench/profile"
)

// The profile of a phase is drawn from the last result that has it.
func TestFlames(t *testing.T) {
	result := func(function string) *bench.Result {
		calls := []*profile.Call{{Name: "castgate/server/loop.(*Loop).turn", Samples: 100, Calls: []*profile.Call{{Name: function, Kind: 3, Samples: 60}}}}
		return &bench.Result{
			Figures:  []bench.Figure{figure("fanout 2/s", "CPU a message", "castgate", 1)},
			Profiles: []bench.Profile{{Scenario: "fanout 2/s", Server: "castgate", Profile: profile.Profile{Samples: 100, Calls: calls}}, {Scenario: "cost, 64 B, 2/s", Server: "castgate wss", Profile: profile.Profile{Samples: 100, Calls: calls}}},
		}
	}
	out := t.TempDir()
	var stdout bytes.Buffer
	command := chartsCommand{Results: []string{figuresFile(t, result("old_send")), figuresFile(t, result("tcp_sendmsg"))}, Out: out}
	if err := command.Run(&console{stdout: &stdout, stderr: &stdout}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"flame-fanout-2-s-light", "flame-fanout-2-s-dark", "flame-cost-64-b-2-s-castgate-wss-light"} {
		svg, err := os.ReadFile(filepath.Join(out, name+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		if s := string(svg); !strings.Contains(s, "tcp_sendmsg 60 %") || !strings.Contains(s, ">loop.(*Loop).turn 100 %") || strings.Contains(s, "old_send") {
			t.Errorf("%s: %s", name, s)
		}
	}
	if got := strings.Count(stdout.String(), "flame-"); got != 4 {
		t.Errorf("%d files are shown\n%s", got, stdout.String())
	}
}
