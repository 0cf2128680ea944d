package stress

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

const callerKey = "a-key-of-another-caller"

// callerAttacks come from a caller of the control API with a valid key of its own.
// The bystanders' pushes use another key.
var callerAttacks = []attack{
	{"caller: long batches of pushes", calls("/v1/batch", "application/x-ndjson", bytes.Repeat([]byte(`{"op":"push","to":{"uids":["nobody"]},"text":"x"}`+"\n"), 9000)), nil},
	{"caller: long batches of queries", calls("/v1/batch", "application/x-ndjson", bytes.Repeat([]byte(`{"op":"online","uids":["nobody"]}`+"\n"), 9000)), nil},
	{"caller: pushes to very many names", calls("/v1/push", "application/json", pushTo(10_000, 10_000)), nil},
	{"caller: pushes to the same names", calls("/v1/push", "application/json", pushTo(10_000, 10)), nil},
	{"caller: joins of many groups", calls("/v1/join", "application/json", joinOf(mostGroups)), nil},
	{"caller: small calls", calls("/v1/online", "application/json", []byte(`{"uids":["nobody"]}`)), nil},
	{"caller: kicks of nobody", calls("/v1/kick", "application/json", []byte(`{"uids":["nobody"]}`)), nil},
	{"caller: bad JSON", calls("/v1/push", "application/json", []byte(`{"to":{"uids":["`+strings.Repeat("x\\u0041", 5000))), nil},
	{"caller: listings", gets("/v1/clients?limit=1000"), nil},
	{"caller: metrics", gets("/metrics"), nil},
}

// pushTo is a push to n uids of which the given number differ. Nobody has these
// uids.
func pushTo(n, different int) []byte {
	names := make([]string, n)
	for i := range names {
		names[i] = "n" + strconv.Itoa(i%different)
	}
	b, _ := json.Marshal(wstest.M{"to": wstest.M{"uids": names}, "text": "x"})
	return b
}

// joinOf adds a bystander to n groups.
func joinOf(n int) []byte {
	names := make([]string, n)
	for i := range names {
		names[i] = "g" + strconv.Itoa(i)
	}
	b, _ := json.Marshal(wstest.M{"uids": []string{"bystander-0"}, "groups": names})
	return b
}

// calls posts the same body repeatedly.
func calls(path, kind string, body []byte) attackRun {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: c\r\nX-API-Key: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, callerKey, kind, len(body))
	return requests(append([]byte(head), body...))
}

func gets(path string) attackRun {
	return requests([]byte("GET " + path + " HTTP/1.1\r\nHost: c\r\nX-API-Key: " + callerKey + "\r\n\r\n"))
}

// requests makes the same request repeatedly on a connection that it keeps as long
// as the gateway does.
func requests(wire []byte) attackRun {
	return func(_ *Trial, s *site, _ int, over *atomic.Bool, rate int) {
		s.skip(pushes)
		var c net.Conn
		var in *bufio.Reader
		s.turns(over, rate, len(wire), func() {
			if c == nil {
				var err error
				if c, err = dialAttacker(s.ControlAddr); err != nil {
					return
				}
				in = bufio.NewReader(c)
			}
			_ = c.SetDeadline(time.Now().Add(wstest.Patience))
			_, _ = c.Write(wire)
			resp, err := http.ReadResponse(in, nil)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			if err != nil || resp.Close {
				_ = c.Close()
				c = nil
			}
		})
		if c != nil {
			_ = c.Close()
		}
	}
}
