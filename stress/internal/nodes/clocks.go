package nodes

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"castgate/internal/wstest"
	"castgate/internal/wstest/history"
	"castgate/stress/internal/wallclock"
)

// clockOffsets are what the clocks of the nodes show beside the machine's.
var clockOffsets = [size]time.Duration{-5 * time.Minute, 0, 5 * time.Minute}

// StartApart starts nodes whose clocks are apart. An error says why that can't be done
// on this machine.
func StartApart(t Trial) (*Cluster, error) {
	if err := wallclock.Usable(); err != nil {
		return nil, fmt.Errorf("cannot give a process its own clock here: %w", err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	err := os.WriteFile(secret, []byte("the secret of this test, 32 bytes\n"), 0o600)
	t.Must(err == nil, "writing the secret: %v", err)
	var peers []string
	for range size {
		peers = append(peers, wstest.FreeAddr(t))
	}
	c := &Cluster{}
	for i, offset := range clockOffsets {
		clock, err := wallclock.New()
		t.Must(err == nil, "a clock: %v", err)
		t.Cleanup(func() {
			clock.Close()
			t.Check(clock.Err() == nil, "the clock of node %d: %v", i+1, clock.Err())
		})
		clock.Set(offset)
		c.nodes = append(c.nodes, wstest.StartWith(t, wstest.Options{Wrap: clock.Wrap(), Flags: []string{
			"--node=" + strconv.Itoa(i+1), "--cluster-secret=@" + secret, "--cluster-lease=1s",
			"--cluster-listen=" + peers[i], "--cluster-peers=" + strings.Join(peers, ","),
		}}))
	}
	wstest.AwaitWhole(c.nodes...)
	return c, nil
}

// Clocks checks what nodes say about each other's clocks. It moves a uid between nodes by
// exclusive binds: the later bind wins, whatever its node's clock shows. Then it plays a
// history.
func (c *Cluster) Clocks(t Trial) {
	for i, g := range c.nodes {
		list, _ := g.OK("GET", "/v1/nodes", nil)["nodes"].([]any)
		t.Must(len(list) == size, "node %d knows %v", i+1, list)
		for j, one := range list {
			got, _ := one.(map[string]any)["clock_difference_seconds"].(float64)
			want := (clockOffsets[j] - clockOffsets[i]).Seconds()
			t.Check(math.Abs(got-want) < 30, "the clock of node %d is %.1f s ahead of node %d's, want about %.0f", j+1, got, i+1, want)
		}
	}
	var last *wstest.Client
	for i := range 12 {
		home := []int{2, 0, 1, 0, 2, 1}[i%6]
		next := c.nodes[home].Dial(t)
		answer := c.nodes[(i+1)%size].OK("POST", "/v1/bind", wstest.M{"client_id": next.ID, "uid": "mover", "exclusive": "kick_old"})
		kicked := 1.0
		if last == nil {
			kicked = 0
		} else {
			code, _ := last.Ended()
			t.Equal("close code of the one before", code, 4001)
		}
		t.Check(answer["complete"] == true && answer["kicked"] == kicked, "exclusive bind %d was answered %v", i, answer)
		last = next
	}
	n, complete := c.push(0, wstest.To("uids", "mover"), "x")
	t.Check(n == 1 && complete && last.Err() == nil, "the mover has %d connections, complete %v, the last is gone: %v", n, complete, last.Err())
	last.Close()
	o := history.Begin(t, c.nodes, []int{0, 1, 2}, 4, uint64(time.Now().UnixNano()))
	o.Await(1000)
	calls, whole := o.End()
	t.Check(whole > calls/2, "%d of %d answers were complete", whole, calls)
	t.Figure("%d calls, %d complete", calls, whole)
}
