package control

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"castgate/server/gateway"
)

// fakeGroup notes when it is sent; verbs in it that wait do so until then.
type fakeGroup struct {
	f    *fake
	sent chan struct{} // closed and renewed by Send
}

type fakeGroupKey struct{}

type fakeWait struct {
	waits func()
	sent  chan struct{}
}

func (g *fakeGroup) Context(ctx context.Context, waits func()) context.Context {
	return context.WithValue(ctx, fakeGroupKey{}, fakeWait{waits, g.sent})
}

func (g *fakeGroup) Send() {
	_ = g.f.note("send")
	close(g.sent)
	g.sent = make(chan struct{})
}

// waitingFake is a node whose verbs wait for others until their group is sent.
type waitingFake struct{ *clusterFake }

func (f waitingFake) wait(ctx context.Context) {
	if w, ok := ctx.Value(fakeGroupKey{}).(fakeWait); ok {
		w.waits()
		<-w.sent
	}
}

func (f waitingFake) Bind(ctx context.Context, b gateway.Bind) (gateway.BindResult, error) {
	r, err := f.fake.Bind(ctx, b)
	f.wait(ctx)
	if b.UID == "panic" {
		panic("on a goroutine of a batch")
	}
	return r, err
}

func (f waitingFake) Push(ctx context.Context, p gateway.Push) (gateway.PushResult, error) {
	r, err := f.fake.Push(ctx, p)
	f.wait(ctx)
	return r, err
}

// Commands of a batch that do not depend on each other are begun in their order
// before the first has ended, and answered in their order.
func TestGroupedBatch(t *testing.T) {
	for _, tt := range []struct{ commands, calls, statuses string }{
		{"bind c-1,bind c-2,push,push", "bind c-1; bind c-2; send; push; push; send", "200 200 200 200"},
		{"bind c-1,bind c-2,bind c-1", "bind c-1; bind c-2; send; bind c-1; send", "200 200 200"},
		{"bind c-1,bind c-9,dance,bind c-2", "bind c-1; bind c-9; send; bind c-2; send", "200 404 400 200"},
		{"push,kick,push", "push; send; kick; send; push; send", "200 200 200"},
		{"bind c-1 panic,bind c-2", "bind c-1; bind c-2; send", "500 200"},
		{"push,online,push wait", "push; online; send; push; send", "200 200 200"},
	} {
		p := start(t, nil)
		f := waitingFake{&clusterFake{fake: p.fake}}
		p.gateway, p.cluster = f, f
		var lines []string
		for text := range strings.SplitSeq(tt.commands, ",") {
			words := strings.Fields(text)
			lines = append(lines, map[string]string{
				"bind": `{"op":"bind","client_id":"` + words[len(words)-1] + `","uid":"u"}`, "push": `{"op":"push","to":{"all":true},"text":"x"}`,
				"kick": `{"op":"kick","all":true}`, "online": `{"op":"online","uids":["u"]}`, "dance": `{"op":"dance"}`,
			}[words[0]])
			if last := &lines[len(lines)-1]; len(words) == 3 {
				*last = `{"op":"bind","client_id":"c-1","uid":"panic"}`
			} else if words[len(words)-1] == "wait" {
				*last = `{"op":"push","to":{"all":true},"text":"x","wait":"written"}`
			}
		}
		status, answer, _ := p.ask("POST", "/v1/batch", `{"commands":[`+strings.Join(lines, ",")+`]}`)
		var got struct{ Replies []reply }
		if err := json.Unmarshal([]byte(answer), &got); err != nil || status != 200 {
			t.Fatalf("%d %s: %v", status, answer, err)
		}
		var statuses []string
		for _, r := range got.Replies {
			statuses = append(statuses, string(rune('0'+r.Status/100))+string(rune('0'+r.Status/10%10))+string(rune('0'+r.Status%10)))
		}
		if s := strings.Join(statuses, " "); s != tt.statuses {
			t.Errorf("%s: answered %s, want %s", tt.commands, s, tt.statuses)
		}
		var calls []string
		for one := range strings.SplitSeq(p.fake.took(), "; ") {
			words := strings.Fields(strings.ReplaceAll(one, `"`, ""))
			if words[0] == "bind" {
				words = words[:2]
			} else {
				words = words[:1]
			}
			if text := strings.Join(words, " "); text != "send" || len(calls) > 0 && calls[len(calls)-1] != "send" {
				calls = append(calls, text)
			}
		}
		if s := strings.Join(calls, "; "); s != tt.calls {
			t.Errorf("%s: %s, want %s", tt.commands, s, tt.calls)
		}
	}
}
