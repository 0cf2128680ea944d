package codec

import "testing"

func TestOpcode(t *testing.T) {
	names := map[Opcode]string{
		OpContinuation: "continuation", OpText: "text", OpBinary: "binary",
		OpClose: "close", OpPing: "ping", OpPong: "pong",
	}
	for i := range 256 {
		op := Opcode(i)
		name, known := names[op]
		if !known {
			name = "reserved"
		}
		if op.Known() != known || op.String() != name {
			t.Errorf("opcode %#x: Known = %t, String = %q", i, op.Known(), op)
		}
		if i < 16 && op.Control() != (i >= 8) {
			t.Errorf("opcode %#x: Control = %t", i, op.Control())
		}
	}
}
