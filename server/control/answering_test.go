package control

import (
	"context"
	"strings"
	"testing"
	"time"

	"castgate/server/gateway"
)

// clusterFake is a fake gateway that is a node of a cluster; lacking is what its
// answers lack.
type clusterFake struct {
	*fake
	lacking error
}

func (f *clusterFake) Bind(ctx context.Context, b gateway.Bind) (gateway.BindResult, error) {
	r, err := f.fake.Bind(ctx, b)
	if err == nil {
		err = f.lacking
	}
	return r, err
}

func (f *clusterFake) Push(ctx context.Context, p gateway.Push) (gateway.PushResult, error) {
	r, err := f.fake.Push(ctx, p)
	if err == nil {
		err = f.lacking
	}
	return r, err
}

func (f *clusterFake) Clients(context.Context, gateway.List) (gateway.Page[gateway.ClientInfo], error) {
	return gateway.Page[gateway.ClientInfo]{}, f.lacking
}

func (f *clusterFake) Nodes() []gateway.NodeInfo {
	return []gateway.NodeInfo{{Node: 1, Instance: "ab", State: "self", Lease: 1500 * time.Millisecond}, {Node: 2, Instance: "cd", Address: "10.0.0.2:7273", State: "member", Clients: 3}}
}

func (f *clusterFake) ClusterStats(ctx context.Context) (gateway.Stats, error) {
	st, err := f.Stats(ctx)
	if err == nil {
		err = f.lacking
	}
	return st, err
}

func (f *clusterFake) Joined() bool { return true }

func (f *clusterFake) Group() gateway.Group { return &fakeGroup{f: f.fake, sent: make(chan struct{})} }

// In a cluster answers say whether all nodes are in them, each by itself in a batch;
// the document allows for it.
func TestCoverage(t *testing.T) {
	for _, tt := range []struct {
		lacking error
		end     string
	}{
		{nil, `,"complete":true}`},
		{&gateway.Incomplete{Unreachable: []uint16{2, 65535}}, `,"complete":false,"unreachable":[2,65535]}`},
		{&gateway.Incomplete{}, `,"complete":false,"unreachable":[]}`},
	} {
		p := start(t, nil)
		f := &clusterFake{fake: p.fake, lacking: tt.lacking}
		p.gateway, p.cluster = f, f
		_, c := served(t, p)
		for _, q := range []struct{ method, path, body, schema string }{
			{"POST", "/v1/bind", `{"client_id":"c-1","uid":"u"}`, "BindAnswer"},
			{"POST", "/v1/push", `{"to":{"all":true},"text":"x"}`, "PushAnswer"},
			{"GET", "/v1/clients", "", "ClientPage"},
			{"GET", "/v1/stats?cluster=1", "", "Stats"},
		} {
			status, answer, _ := p.ask(q.method, q.path, q.body)
			if status != 200 || !strings.HasSuffix(answer, tt.end) {
				t.Errorf("%s: %d %s, want …%s", q.path, status, answer, tt.end)
			}
			if err := valid(schema(t, c, "components", "schemas", q.schema), answer); err != nil {
				t.Errorf("%s: %v", q.path, err)
			}
		}
		_, answer, _ := p.ask("POST", "/v1/batch", `{"commands":[{"op":"bind","client_id":"c-1","uid":"u"},{"op":"bind","client_id":"c-9","uid":"u"}]}`)
		if strings.Count(answer, tt.end) != 1 || !strings.Contains(answer, `"status":404`) {
			t.Errorf("batch: %s", answer)
		}
		status, answer, _ := p.ask("GET", "/v1/clients", "", "Accept: application/x-ndjson")
		if (status == 200) != (tt.lacking == nil) {
			t.Errorf("lines: %d %s", status, answer)
		}
		_, answer, _ = p.ask("GET", "/v1/nodes", "")
		if err := valid(schema(t, c, "components", "schemas", "NodeList"), answer); err != nil || !strings.Contains(answer, `"lease_seconds":1.500000`) {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

// Without a cluster nothing is said about completeness.
func TestNoCoverage(t *testing.T) {
	p := start(t, nil)
	for _, path := range []string{"/v1/stats", "/v1/stats?cluster=1", "/v1/nodes"} {
		if status, answer, _ := p.ask("GET", path, ""); status != 200 || strings.Contains(answer, "complete") {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	p.refuses(400, "invalid_parameter", "GET", "/v1/stats?cluster=yes", "")
}
