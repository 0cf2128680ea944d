package reason

import (
	"testing"
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
