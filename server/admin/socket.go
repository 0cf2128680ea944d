package admin

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"castgate/codec"
)

// mostFromPage is the largest message that the page may send, in bytes. It sends none.
const mostFromPage = 1 << 10

// socket is a tail as a WebSocket. One goroutine sends, another one reads and answers
// pings.
type socket struct {
	conn  net.Conn
	ended chan struct{}
	mu    sync.Mutex // of writing
}

// openSocket agrees on a WebSocket. Without an error and a stream it was refused.
func openSocket(w http.ResponseWriter, r *http.Request) (stream, error) {
	answer, result := new(codec.Upgrader).Upgrade(nil, headOf(r))
	if result != codec.HandshakeOK {
		return nil, refused(result.Status(), "bad_request", "the request for a WebSocket is wrong: "+result.String())
	}
	conn, rest, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	early, _ := rest.Reader.Peek(rest.Reader.Buffered())
	_ = conn.SetDeadline(time.Now().Add(answerTime))
	if _, err := conn.Write(answer); err != nil {
		_ = conn.Close()
		return nil, nil
	}
	s := &socket{conn: conn, ended: make(chan struct{})}
	go s.read(append([]byte{}, early...))
	return s, nil
}

// headOf is the head of a request, as it may have come.
func headOf(r *http.Request) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.RequestURI, r.Host)
	_ = r.Header.Write(&b)
	return []byte(b.String() + "\r\n")
}

// send implements stream. What the browser does not take in time ends the tail.
func (s *socket) send(b *batch) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return s.write(ws.OpText, text, answerTime)
}

// write writes a frame, within a time.
func (s *socket) write(op ws.OpCode, payload []byte, within time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(within))
	_, err := s.conn.Write(codec.AppendFrame(nil, op, payload))
	return err
}

func (s *socket) gone() <-chan struct{} { return s.ended }

// close says goodbye.
func (s *socket) close() {
	_ = s.write(ws.OpClose, codec.AppendClose(nil, ws.StatusGoingAway, ""), time.Second)
	_ = s.conn.Close()
}

// read reads until the page closes, breaks a rule or is gone.
func (s *socket) read(early []byte) {
	defer close(s.ended)
	var p codec.Parser
	buf := make([]byte, 4<<10)
	for b := early; ; {
		for len(b) > 0 {
			n, ev, err := p.Next(b, mostFromPage)
			if err != nil || ev.Kind == codec.EventClose {
				return
			}
			if ev.Kind == codec.EventPing && s.write(ws.OpPong, ev.Data, answerTime) != nil {
				return
			}
			b = b[n:]
		}
		_ = s.conn.SetReadDeadline(time.Time{})
		n, err := s.conn.Read(buf)
		if err != nil {
			return
		}
		b = buf[:n]
	}
}
