package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// This package uses gobwas/ws wherever that is right. The tests of this file
// show where it is not, and so why that part is ours. If one of them fails, the
// library has changed: use it there.

// conversation is a peer that sends one head and takes the answer.
type conversation struct {
	io.Reader
	io.Writer
}

func TestUpgraderOfGobwasAcceptsMore(t *testing.T) {
	good := string(AppendRequest(nil, "a.example", "/", rfcKey, ""))
	for _, test := range []struct {
		name, old, new string
		want           HandshakeResult
	}{
		{"bare LF", "\r\n", "\n", HandshakeRequestLine},
		{"a second Host", "Host: a.example\r\n", "Host: a.example\r\nHost: b.example\r\n", HandshakeHost},
		{"a second key", "Sec-WebSocket-Key: ", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Key: ", HandshakeBadKey},
		{"a second version", "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n", HandshakeRepeated},
		{"a folded line", "Host: a.example\r\n", "Host: a.example\r\nX: y\r\n z: z\r\n", HandshakeHeader},
		{"a key that is not base64", string(rfcKey[:]), strings.Repeat("!", 24), HandshakeBadKey},
		{"a body", "Host: ", "Content-Length: 5\r\nHost: ", HandshakeBody},
		{"a chunked body", "Host: ", "Transfer-Encoding: chunked\r\nHost: ", HandshakeBody},
	} {
		head := strings.ReplaceAll(good, test.old, test.new)
		if head == good {
			t.Fatalf("%s: the head is unchanged", test.name)
		}
		if _, err := (ws.Upgrader{}).Upgrade(conversation{strings.NewReader(head), io.Discard}); err != nil {
			t.Errorf("%s: gobwas/ws refuses it: %v", test.name, err)
		}
		if _, got := new(Upgrader).Upgrade(nil, []byte(head)); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// ReadHeader takes lengths that are not in their shortest form (RFC 6455
// section 5.2), and of an incomplete header it takes the bytes away.
func TestReadHeaderOfGobwas(t *testing.T) {
	for _, b := range [][]byte{{0x82, 126, 0, 125}, {0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}} {
		if _, err := ws.ReadHeader(bytes.NewReader(b)); err != nil {
			t.Errorf("%x: gobwas/ws refuses it: %v", b, err)
		}
		if _, _, err := ParseHeader(b); err != errLengthForm {
			t.Errorf("%x: %v", b, err)
		}
	}
	r := bytes.NewReader([]byte{0x82, 126, 0})
	if _, err := ws.ReadHeader(r); !errors.Is(err, io.ErrUnexpectedEOF) || r.Len() != 0 {
		t.Errorf("a part of a header: %v, and %d bytes are left", err, r.Len())
	}
}

// WriteHeader writes to an io.Writer, so that its bytes are allocated.
func TestWriteHeaderOfGobwasAllocates(t *testing.T) {
	out := bytes.NewBuffer(make([]byte, 0, 64))
	if n := testing.AllocsPerRun(100, func() {
		out.Reset()
		_ = ws.WriteHeader(out, ws.Header{Fin: true, OpCode: ws.OpText, Length: 1000})
	}); n == 0 {
		t.Error("it does not allocate")
	}
}

// Where no reserved bit is set CheckHeader has the rules that a Parser has. With
// an extension it knows none of the rules for reserved bits.
func TestCheckHeaderOfGobwas(t *testing.T) {
	more := 0
	for first := range 256 {
		for _, length := range []int64{0, 125, 126} {
			for role := range 8 {
				h := ws.Header{
					Fin: first&0x80 != 0, Rsv: byte(first >> 4 & 7), OpCode: ws.OpCode(first & 0xf),
					Masked: role&1 != 0, Length: length,
				}
				p := Parser{Client: role&2 != 0, Deflate: true}
				state := ws.StateServerSide.Set(ws.StateExtended)
				if p.Client {
					state = ws.StateClientSide.Set(ws.StateExtended)
				}
				if role&4 != 0 {
					p.message, p.started = ws.OpBinary, true
					state = state.Set(ws.StateFragmented)
				}
				theirs := ws.CheckHeader(h, state)
				_, _, ours := p.Next(headerBytes(t, h), 1<<20)
				switch {
				case theirs != nil && ours == nil:
					t.Errorf("%+v in %+v: only gobwas/ws refuses it: %v", h, p, theirs)
				case theirs == nil && ours != nil && h.Rsv == 0:
					t.Errorf("%+v in %+v: only we refuse it: %v", h, p, ours)
				case theirs == nil && ours != nil:
					more++
				}
			}
		}
	}
	if more == 0 {
		t.Error("CheckHeader refuses what we refuse")
	}
	for _, h := range []ws.Header{
		{Fin: true, Masked: true, OpCode: ws.OpText, Rsv: ws.Rsv(false, true, false)},
		{Fin: true, Masked: true, OpCode: ws.OpText, Rsv: ws.Rsv(false, false, true)},
		{Fin: true, Masked: true, OpCode: ws.OpPing, Rsv: ws.Rsv(true, false, false)},
	} {
		if err := ws.CheckHeader(h, ws.StateServerSide.Set(ws.StateExtended)); err != nil {
			t.Errorf("%+v: gobwas/ws refuses it: %v", h, err)
		}
		p := Parser{Deflate: true}
		if _, _, err := p.Next(headerBytes(t, h), 1<<20); err != errReservedBit {
			t.Errorf("%+v: %v", h, err)
		}
	}
}

func headerBytes(t *testing.T, h ws.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := ws.WriteHeader(&b, h); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCloseCodesOfGobwas(t *testing.T) {
	for i := range 1 << 16 {
		code := ws.StatusCode(i)
		theirs, ours := ws.CheckCloseFrameData(code, "") == nil, ValidCloseCode(code)
		switch different := theirs != ours; {
		case 1012 <= i && i <= 1014: // registered with IANA after the RFC
			if !different || !ours {
				t.Errorf("%d: gobwas/ws %t, ours %t", i, theirs, ours)
			}
		case i >= 5000: // outside every range (RFC 6455 section 7.4.2)
			if !different || ours {
				t.Errorf("%d: gobwas/ws %t, ours %t", i, theirs, ours)
			}
		case different:
			t.Errorf("%d: gobwas/ws %t, ours %t", i, theirs, ours)
		}
	}
}

// A reason that is too long is cut within a character, and what is not UTF-8 in
// it is sent.
func TestCloseBodyOfGobwas(t *testing.T) {
	for _, reason := range []string{strings.Repeat("r", 122) + "é", "\xff"} {
		if body := ws.NewCloseFrameBody(1000, reason); utf8.Valid(body[2:]) {
			t.Errorf("%q: gobwas/ws makes %q", reason, body[2:])
		}
		if body := AppendClose(nil, 1000, reason)[4:]; !utf8.Valid(body) {
			t.Errorf("%q: we make %q", reason, body)
		}
	}
}

// wsflate inflates whatever a message becomes.
func TestInflatingOfGobwasIsUnbounded(t *testing.T) {
	const size = 16 << 20
	packed := deflated(make([]byte, size))
	if len(packed) > size/500 {
		t.Fatalf("%d bytes", len(packed))
	}
	plain, err := wsflate.DefaultHelper.Decompress(packed)
	if err != nil || len(plain) != size {
		t.Errorf("gobwas/ws makes %d bytes of %d, %v", len(plain), len(packed), err)
	}
	if _, err := inflate(ws.OpBinary, packed, false, 1<<20, 4096); err != errTooBig {
		t.Error(err)
	}
}

// The names and the meaning of permessage-deflate's parameters are wsflate's;
// reading them is not.
func TestDeflateParametersOfGobwas(t *testing.T) {
	for _, test := range []struct {
		offer  string
		theirs bool // what wsflate says of it
		ours   bool
	}{
		{"permessage-deflate", true, true},
		{"permessage-deflate; server_max_window_bits=10; client_max_window_bits", true, true},
		{"permessage-deflate; server_max_window_bits", false, false},
		{"permessage-deflate; server_max_window_bits=16", false, false},
		{"permessage-deflate; server_no_context_takeover=1", false, false},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", false, false},
		{"permessage-deflate; x", false, false},

		{"permessage-deflate; server_max_window_bits=010", true, false},
		{"permessage-deflate; client_max_window_bits; client_max_window_bits", true, false},
		{"permessage-deflate; client_max_window_bits; client_max_window_bits=10", true, false},
	} {
		options, ok := httphead.ParseOptions([]byte(test.offer), nil)
		var p wsflate.Parameters
		if theirs := ok && len(options) == 1 && p.Parse(options[0]) == nil; theirs != test.theirs {
			t.Errorf("%s: gobwas/ws says %t", test.offer, theirs)
		}
		var o offers
		if o.add([]byte(test.offer)); o.deflate.offered != test.ours {
			t.Errorf("%s: we say %t", test.offer, o.deflate.offered)
		}
		if test.theirs && test.ours && o.deflate.Parameters != p {
			t.Errorf("%s: gobwas/ws reads %+v, we read %+v", test.offer, p, o.deflate.Parameters)
		}
	}
	offer := []byte("permessage-deflate; client_max_window_bits")
	if n := testing.AllocsPerRun(100, func() {
		options, _ := httphead.ParseOptions(offer, nil)
		var p wsflate.Parameters
		if err := p.Parse(options[0]); err != nil {
			t.Error(err)
		}
	}); n == 0 {
		t.Error("httphead and wsflate read an offer without allocating")
	}
	for bits := wsflate.WindowBits(MinWindowBits); bits <= MaxWindowBits; bits++ {
		want := fmt.Sprintf("\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=%d", bits)
		term := deflateTerm{Parameters: wsflate.Parameters{ServerMaxWindowBits: bits}}
		if got := string(term.append(nil)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
