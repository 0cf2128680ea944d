package transport

import "net"

// crumbled sends each byte of a handshake in a record of its own, as far as
// records are in the clear: until the client changes to its keys.
type crumbled struct {
	net.Conn
	sealed  bool
	records int
}

// Write implements net.Conn. crypto/tls writes whole records.
func (c *crumbled) Write(p []byte) (int, error) {
	var out []byte
	for b := p; len(b) > 0; {
		n := recordHeader + int(b[3])<<8 + int(b[4])
		record := b[:n]
		b = b[n:]
		if c.sealed = c.sealed || record[0] != recordHandshake; c.sealed {
			out = append(out, record...)
			continue
		}
		for _, x := range record[recordHeader:] {
			out = append(out, recordHandshake, record[1], record[2], 0, 1, x)
			c.records++
		}
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
