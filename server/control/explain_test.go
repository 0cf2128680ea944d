package control

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"castgate/server/gateway"
)

// fakeHistorian remembers more of ann than one answer has, and of others nothing.
type fakeHistorian struct{ gateway.Historian }

func (fakeHistorian) Explain(_ context.Context, q gateway.Explain) (gateway.Explanation, error) {
	at := time.UnixMilli(1_700_000_000_000)
	x := gateway.Explanation{Node: 7, Since: at}
	if q.UID != "ann" {
		return x, nil
	}
	x.Connected = []string{"c-1"}
	for range gateway.MaxExplained + 1 {
		x.Ends = append(x.Ends, gateway.PastEnd{At: at, ClientID: "c-<9>", Remote: netip.MustParseAddrPort("10.0.0.1:5"), ConnectedAt: at, Reason: "kicked", Code: 1000})
	}
	x.Drops = []gateway.PastDrop{{First: at, Last: at, ClientID: "c-1", UID: "ann", Reason: "slow", Count: 3, QueuedBytes: 9, QueuedFrames: 1}}
	x.Misses = []gateway.PastMiss{{First: at, Last: at, Count: 2}}
	x.Arrange()
	return x, nil
}

// An explanation is as documented, at most so long; it is about either a uid or a client.
func TestExplain(t *testing.T) {
	p := start(t, nil)
	_, c := served(t, p)
	s := schema(t, c, "components", "schemas", "Explanation")
	for path, want := range map[string]string{
		"/v1/explain?uid=ann":       `"uid":"ann","reason":"slow","queued_bytes":9`,
		"/v1/explain?client_id=c-3": `{"node":7,"since":"2023-11-14T22:13:20.000Z","connected":[],"ends":[],"drops":[],"misses":[]}`,
	} {
		status, answer, _ := p.ask("GET", path, "")
		if status != 200 || !strings.Contains(answer, want) || strings.Count(answer, "kicked") > gateway.MaxExplained {
			t.Errorf("%s: %d %s", path, status, answer)
		}
		if err := valid(s, answer); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, query := range []string{"", "?uid=a&client_id=b", "?uid=", "?uid=a&uid=b"} {
		p.refuses(400, "invalid_parameter", "GET", "/v1/explain"+query, "")
	}
	// Nothing of one request is in the next.
	p.refuses(400, "invalid_parameter", "GET", "/v1/explain", "")
}
