package codec

import "github.com/gobwas/ws"

// Parser is the receive side of one connection: it turns bytes into events,
// however they were split on the way. It keeps no payload of messages. The zero
// value is ready for the first frame on a server. It holds no pointers and may
// be copied between calls. One goroutine at a time may use it.
type Parser struct {
	// Client makes it the receive side of a client, where frames must not be
	// masked; otherwise they must be (RFC 6455 section 5.1). Set it before the
	// first Next.
	Client bool

	// Deflate says that permessage-deflate was negotiated: messages may be
	// compressed (RFC 7692 section 6). Set it before the first Next.
	Deflate bool

	// AnyText accepts text that is not UTF-8, against RFC 6455 section 8.1. It
	// takes effect with the next call of Next.
	AnyText bool

	// The frame being read.
	inFrame   bool // its header was read, its payload is not complete
	fin       bool
	op        ws.OpCode
	phase     uint8 // offset in the payload modulo 4, for the mask
	mask      [4]byte
	remaining int64 // bytes of payload to come

	// The message being read.
	message  ws.OpCode // ws.OpText or ws.OpBinary; 0 outside a message
	deflated bool      // compressed
	started  bool      // an event has been returned for it
	text     utf8Stream
	size     int64 // sum of its frames' lengths so far

	// held are the bytes of an incomplete header, or of a control frame's
	// payload: never both.
	heldLen uint8
	held    [ws.MaxControlFramePayloadSize]byte
}

// Next consumes bytes of b and returns how many, and at most one event. Without
// an event or an error it has consumed all of b, so the caller calls again with
// b[n:] until that is empty. Payload of messages is unmasked in place, exactly
// the bytes consumed: never pass them in twice.
//
// maxMessage limits the total payload of a message in bytes; 0 or less allows
// only empty ones. It is checked with each frame's header, before any payload.
// A compressed message may exceed it by an eighth and 1 KiB, since deflate
// makes incompressible data longer. [Inflation] limits what it inflates to and
// checks that it is UTF-8.
//
// Errors are *[CloseError]: 1002 for what breaks RFC 6455, 1007 for text that
// is not UTF-8, at the first byte that shows it; 1009 above maxMessage. After
// an error, and after EventClose, Next must not be called again.
func (p *Parser) Next(b []byte, maxMessage int64) (n int, ev Event, err error) {
	for n < len(b) {
		if !p.inFrame {
			k, err := p.readHeader(b[n:], maxMessage)
			n += k
			if err != nil || !p.inFrame {
				return n, Event{}, err
			}
		}
		var k int
		if p.op.IsControl() {
			k, ev, err = p.readControl(b[n:])
		} else {
			k, ev, err = p.readData(b[n:])
		}
		n += k
		if err != nil || ev.Kind != EventNone {
			return n, ev, err
		}
	}
	return n, Event{}, nil
}

// AtRest reports that neither a message nor a frame is incomplete. The owner
// may then drop p and continue with a new one that has the same Client and
// Deflate.
func (p *Parser) AtRest() bool {
	return !p.inFrame && p.heldLen == 0 && p.message == 0
}

// readHeader consumes bytes of a header. Once that is complete, it sets
// p.inFrame.
func (p *Parser) readHeader(b []byte, maxMessage int64) (n int, err error) {
	if p.heldLen == 0 {
		h, n, err := parseHeader(b, p.allowed())
		if err != nil {
			return 0, err
		}
		if n == 0 {
			p.heldLen = uint8(copy(p.held[:ws.MaxHeaderSize], b))
			return len(b), nil
		}
		return n, p.begin(h, maxMessage)
	}
	held := int(p.heldLen)
	taken := copy(p.held[held:ws.MaxHeaderSize], b)
	h, n, err := parseHeader(p.held[:held+taken], p.allowed())
	if err != nil {
		return 0, err
	}
	if n == 0 {
		p.heldLen += uint8(taken)
		return taken, nil
	}
	p.heldLen = 0
	return n - held, p.begin(h, maxMessage)
}

// allowed returns the reserved bits that the first frame of a message may have.
func (p *Parser) allowed() byte {
	if p.Deflate {
		return rsv1
	}
	return 0
}

// begin checks a header against the role, the message and the limit.
func (p *Parser) begin(h ws.Header, maxMessage int64) error {
	switch {
	case p.Client && h.Masked:
		return errMasked
	case !p.Client && !h.Masked:
		return errNotMasked
	}
	if !h.OpCode.IsControl() {
		if err := p.beginData(h, max(maxMessage, 0)); err != nil {
			return err
		}
	}
	p.inFrame, p.fin, p.op = true, h.Fin, h.OpCode
	p.mask, p.phase, p.remaining = h.Mask, 0, h.Length
	return nil
}

func (p *Parser) beginData(h ws.Header, maxMessage int64) error {
	switch {
	case h.OpCode == ws.OpContinuation && p.message == 0:
		return errNoMessage
	case h.OpCode != ws.OpContinuation && p.message != 0:
		return errInMessage
	case h.OpCode != ws.OpContinuation:
		p.message, p.started, p.text, p.size = h.OpCode, false, utf8Stream{}, 0
		p.deflated = h.Rsv1()
	}
	if p.deflated {
		maxMessage += maxMessage/8 + 1024
	}
	if h.Length > maxMessage-p.size {
		return errTooBig
	}
	p.size += h.Length
	return nil
}

// readData consumes payload of a message.
func (p *Parser) readData(b []byte) (n int, ev Event, err error) {
	n = int(min(int64(len(b)), p.remaining))
	data := b[:n:n]
	if !p.Client {
		ws.Cipher(data, p.mask, int(p.phase))
		p.phase = uint8(int(p.phase)+n) & 3
	}
	p.remaining -= int64(n)
	p.inFrame = p.remaining > 0
	last := p.fin && !p.inFrame
	if p.message == ws.OpText && !p.deflated && !p.AnyText && (!p.text.write(data) || last && !p.text.whole()) {
		return n, Event{}, errText
	}
	if n == 0 && !last {
		return 0, Event{}, nil
	}
	ev = Event{Kind: EventData, Op: p.message, First: !p.started, Last: last, Deflated: p.deflated, Data: data}
	p.started = true
	if last {
		p.message = 0
	}
	return n, ev, nil
}

// readControl consumes payload of a control frame and returns its event once
// that is complete. The payload is copied, so that the event does not depend on
// the input.
func (p *Parser) readControl(b []byte) (n int, ev Event, err error) {
	held := int(p.heldLen)
	n = copy(p.held[held:held+int(p.remaining)], b)
	p.remaining -= int64(n)
	held += n
	if p.remaining > 0 {
		p.heldLen = uint8(held)
		return n, Event{}, nil
	}
	p.inFrame, p.heldLen = false, 0
	data := p.held[:held:held]
	if !p.Client {
		ws.Cipher(data, p.mask, 0)
	}
	switch p.op {
	case ws.OpPing:
		return n, Event{Kind: EventPing, Data: data}, nil
	case ws.OpPong:
		return n, Event{Kind: EventPong, Data: data}, nil
	}
	ev.Code, ev.Reason, err = parseClose(data)
	if err != nil {
		return n, Event{}, err
	}
	ev.Kind = EventClose
	return n, ev, nil
}
