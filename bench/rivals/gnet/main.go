// Command gnet is panjf2000/gnet's own engine with gobwas/ws: event loops
// without a goroutine per connection, as both libraries offer it.
//
// It follows their READMEs: one loop per core, a handler whose OnTraffic
// upgrades with ws.Upgrader and then reads frames with ws.ReadHeader from what
// the connection has buffered, answers on the loop, and AsyncWrite for what
// other goroutines send. A broadcast is one compiled frame, which all
// connections share. No deadlines are set and no pings are sent, as with the
// other rivals. There is no TLS, since gnet has none.
package main

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/panjf2000/gnet/v2"

	"castgate/bench/rivals/control"
)

// maxHead and maxMessage limit what a client may send, in bytes.
const (
	maxHead    = 8 << 10
	maxMessage = 64 << 10
)

// front is all clients; its On methods are called on the connection's loop.
type front struct {
	gnet.BuiltinEventEngine
	mu      sync.RWMutex
	clients map[gnet.Conn]struct{}
}

func newFront() *front { return &front{clients: make(map[gnet.Conn]struct{})} }

func main() {
	f := newFront()
	control.MainOn("gnet", f.serve, f.broadcast)
}

// errStopped is an unexpected end of the engine: gnet.Run returns nil when
// accept fails for lack of descriptors.
var errStopped = errors.New("the engine has stopped")

// serve accepts clients until the engine ends.
func (f *front) serve(listen string) error {
	if err := gnet.Run(f, "tcp://"+listen, gnet.WithMulticore(true)); err != nil {
		return err
	}
	return errStopped
}

// OnTraffic reads what has arrived. A connection has a context once it is
// upgraded.
func (f *front) OnTraffic(c gnet.Conn) gnet.Action {
	if c.Context() == nil {
		done, err := f.upgrade(c)
		if err != nil {
			return gnet.Close
		}
		if !done {
			return gnet.None
		}
	}
	for {
		whole, err := frame(c)
		if err != nil {
			return gnet.Close
		}
		if !whole {
			return gnet.None
		}
	}
}

// upgrade answers the handshake once its head is complete, and greets the
// client. From then on the client receives broadcasts; the queue of a
// connection keeps the order, so they follow the init message.
func (f *front) upgrade(c gnet.Conn) (done bool, err error) {
	b, err := c.Peek(-1)
	if err != nil {
		return false, err
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > maxHead {
			return false, errors.New("the head is too large")
		}
		return false, nil
	}
	end += len("\r\n\r\n")
	head := struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(b[:end]), c}
	if _, err := (ws.Upgrader{}).Upgrade(head); err != nil {
		return false, err
	}
	if _, err := c.Discard(end); err != nil {
		return false, err
	}
	if err := wsutil.WriteServerText(c, control.InitMessage()); err != nil {
		return false, err
	}
	c.SetContext(struct{}{})
	f.mu.Lock()
	f.clients[c] = struct{}{}
	f.mu.Unlock()
	return true, nil
}

// errFrame is a frame that clients may not send.
var errFrame = errors.New("bad frame")

// frame reads one frame if it is complete. Messages are discarded.
func frame(c gnet.Conn) (whole bool, err error) {
	b, err := c.Peek(c.InboundBuffered())
	if err != nil || len(b) == 0 {
		return false, err
	}
	r := bytes.NewReader(b)
	h, err := ws.ReadHeader(r)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return false, nil
	case err != nil:
		return false, err
	case !h.Masked || h.Length > maxMessage:
		return false, errFrame
	}
	size := len(b) - r.Len()
	if int64(r.Len()) < h.Length {
		return false, nil
	}
	payload := b[size : size+int(h.Length)]
	ws.Cipher(payload, h.Mask, 0)
	switch h.OpCode {
	case ws.OpPing:
		err = ws.WriteFrame(c, ws.NewPongFrame(payload))
	case ws.OpClose:
		if err = ws.WriteFrame(c, ws.NewCloseFrame(payload)); err == nil {
			err = io.EOF
		}
	}
	if err != nil {
		return false, err
	}
	_, err = c.Discard(size + int(h.Length))
	return true, err
}

// OnClose removes a client.
func (f *front) OnClose(c gnet.Conn, _ error) gnet.Action {
	f.mu.Lock()
	delete(f.clients, c)
	f.mu.Unlock()
	return gnet.None
}

// broadcast passes one frame to all clients' loops.
func (f *front) broadcast(payload []byte) (r control.Reply, err error) {
	message, err := ws.CompileFrame(ws.NewTextFrame(payload))
	if err != nil {
		return r, err
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	for c := range f.clients {
		r.Matched++
		if c.AsyncWrite(message, nil) == nil {
			r.Queued++
		} else {
			r.Dropped++
		}
	}
	return r, nil
}
