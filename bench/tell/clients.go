package tell

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"castgate/codec"
)

// clients are connections that a measurement needs.
type clients struct {
	mu   sync.Mutex
	list []net.Conn
}

const handshake = "GET / HTTP/1.1\r\nHost: castgate\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// connect adds n clients, a few at a time. came, if not nil, gets each with its id.
func (c *clients) connect(address string, n int, came func(id string, conn net.Conn, in *bufio.Reader)) error {
	const together = 16
	var wait sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, together)
	for range together {
		wait.Go(func() {
			for next.Add(1) <= int64(n) {
				if err := c.one(address, came); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wait.Wait()
	close(errs)
	return <-errs
}

func (c *clients) one(address string, came func(string, net.Conn, *bufio.Reader)) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.list = append(c.list, conn)
	c.mu.Unlock()
	if _, err := io.WriteString(conn, handshake); err != nil {
		return err
	}
	in := bufio.NewReaderSize(conn, 512)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("a handshake is answered %d", answer.StatusCode)
	}
	first, err := frame(in)
	if err != nil {
		return err
	}
	var hello struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal(first, &hello); err != nil {
		return err
	}
	if came != nil {
		came(hello.ClientID, conn, in)
	}
	return nil
}

const opText = 1 // RFC 6455 section 5.2

// frame reads a short frame of the gateway.
func frame(in *bufio.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	if head[1] > 125 {
		return nil, fmt.Errorf("a frame of more than 125 bytes")
	}
	payload := make([]byte, head[1])
	_, err := io.ReadFull(in, payload)
	return payload, err
}

func (c *clients) close() {
	for _, conn := range c.list {
		_ = conn.Close()
	}
}

// send has all clients send short messages until stop is called: so many a second
// together, evenly, or with 0 as fast as the gateway reads.
func (c *clients) send(rate int) (stop func()) {
	over := make(chan struct{})
	var wait sync.WaitGroup
	for _, conn := range c.list {
		wait.Go(func() { sendOn(conn, float64(rate)/float64(len(c.list)), over) })
	}
	return sync.OnceFunc(func() {
		close(over)
		c.close() // some may wait for the gateway
		wait.Wait()
	})
}

// sendOn sends until over is closed. Messages that are due within one turn go out
// together.
func sendOn(conn net.Conn, rate float64, over <-chan struct{}) {
	const turn = 5 * time.Millisecond
	message := codec.AppendMaskedFrame(nil, opText, []byte("a message of thirty-two letters."), [4]byte{1, 2, 3, 4})
	var many []byte
	for range 64 {
		many = append(many, message...)
	}
	ticker := time.NewTicker(turn)
	defer ticker.Stop()
	began, sent := time.Now(), 0
	for {
		due := 64
		if rate > 0 {
			select {
			case <-ticker.C:
			case <-over:
				return
			}
			due = min(int(time.Since(began).Seconds()*rate)-sent, 64)
		}
		if _, err := conn.Write(many[:due*len(message)]); err != nil {
			return // closed, by us or by the gateway, whose counters say so
		}
		sent += due
	}
}
