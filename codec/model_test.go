package codec

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// modelIncomplete is the model's outcome when input ends before the stream
// has come to a decision.
const modelIncomplete = 0

// model decodes a stream the plain way, whole frames at a time through
// io.Reader and gobwas/ws, with the checks that gobwas/ws leaves out.
func model(input []byte, client bool, limit int64) (events []string, code ws.StatusCode) {
	r := bytes.NewReader(input)
	var message []byte
	var op ws.OpCode // 0 outside a message
	for {
		before := r.Len()
		h, err := ws.ReadHeader(r)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return events, modelIncomplete
		}
		if err != nil {
			return events, ws.StatusProtocolError
		}
		size := before - r.Len()
		state := ws.StateServerSide
		if client {
			state = ws.StateClientSide
		}
		if op != 0 {
			state = state.Set(ws.StateFragmented)
		}
		if h.Masked == client || ws.CheckHeader(h, state) != nil || size != ws.HeaderSize(h) {
			return events, ws.StatusProtocolError
		}
		if !h.OpCode.IsControl() && h.Length > limit-int64(len(message)) {
			return events, ws.StatusMessageTooBig
		}
		if h.Length > int64(r.Len()) {
			return events, modelIncomplete
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			return events, modelIncomplete
		}
		if h.Masked {
			for i := range payload {
				payload[i] ^= h.Mask[i%4]
			}
		}
		switch h.OpCode {
		case ws.OpPing:
			events = append(events, fmt.Sprintf("ping %q", payload))
			continue
		case ws.OpPong:
			events = append(events, fmt.Sprintf("pong %q", payload))
			continue
		case ws.OpClose:
			event, code := modelClose(payload)
			if code == 0 {
				events = append(events, event)
			}
			return events, code
		case ws.OpText, ws.OpBinary:
			op = h.OpCode
		}
		message = append(message, payload...)
		if !h.Fin {
			continue
		}
		name := "binary"
		if op == ws.OpText {
			name = "text"
			if !utf8.Valid(message) {
				return events, ws.StatusInvalidFramePayloadData
			}
		}
		events = append(events, fmt.Sprintf("%s %q", name, message))
		message, op = nil, 0
	}
}

func modelClose(payload []byte) (event string, code ws.StatusCode) {
	if len(payload) == 0 {
		return `close 1005 ""`, 0
	}
	if len(payload) == 1 {
		return "", ws.StatusProtocolError
	}
	sent, reason := ws.ParseCloseFrameData(payload)
	if !slices.Contains([]uint16{1000, 1001, 1002, 1003}, uint16(sent)) && (sent < 1007 || sent > 1014) && (sent < 3000 || sent > 4999) {
		return "", ws.StatusProtocolError
	}
	if !utf8.ValidString(reason) {
		return "", ws.StatusInvalidFramePayloadData
	}
	return fmt.Sprintf("close %d %q", sent, reason), 0
}

// compareModel fails t where got differs from the model. Text that can't
// become UTF-8 is found earlier by the Parser than by the model, which looks
// at whole messages; so may a bad header of which only the start has come.
func compareModel(t *testing.T, input []byte, client bool, limit int64, got transcript) {
	t.Helper()
	events, code := model(input, client, limit)
	early := got.code == ws.StatusInvalidFramePayloadData || got.code == ws.StatusProtocolError && code == modelIncomplete
	switch {
	case got.code == code && slices.Equal(got.events, events):
	case early && len(got.events) <= len(events) && slices.Equal(got.events, events[:len(got.events)]):
	default:
		t.Fatalf("%x client=%t limit=%d:\n  got %v\nmodel %q code=%d", input, client, limit, got, events, code)
	}
}

// TestModel checks the model itself against the vectors.
func TestModel(t *testing.T) {
	for _, v := range readFrameVectors(t) {
		compareModel(t, v.input, v.client, v.max, v.want)
	}
}
