package reason

import (
	"testing"

	"castgate/codec"
	"castgate/server/frames"
)

func TestReasonTablesAreComplete(t *testing.T) {
	labels := map[string]bool{}
	for i, row := range closeTable {
		if row.label == "" || labels[row.label] {
			t.Errorf("close reason %d: label %q", i, row.label)
		}
		labels[row.label] = true
	}
	for i, label := range dropLabels {
		if label == "" {
			t.Errorf("drop reason %d has no label", i)
		}
	}
	for i := range HandshakeGone + 1 {
		if label := HandshakeLabel(i); label == "" {
			t.Errorf("handshake result %d has no label", i)
		}
	}
}

func TestEndCode(t *testing.T) {
	for _, k := range []struct {
		form frames.Form
		f    *frames.Frame
		want uint16
	}{
		{frames.WebSocket, nil, 1006}, {frames.Line, Slow.Frame(), 1006},
		{frames.WebSocket, Slow.Frame(), uint16(Slow.Code())}, {frames.Deflated, Shutdown.Frame(), 1001},
		{frames.WebSocket, frames.Control(codec.AppendClose(nil, 0, "")), 1005},
	} {
		if got := EndCode(k.form, k.f); got != k.want {
			t.Errorf("form %d: %d, want %d", k.form, got, k.want)
		}
	}
}
