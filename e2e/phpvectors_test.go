package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"castgate/internal/wstest"
)

// apiVector is an entry of group api: one call of GatewayClient, as captured
// between the PHP programs (docs/gatewayworker-protocol.md section 11).
type apiVector struct {
	Name, Group, Hex string
	PHPReturns       string `json:"php_returns"`
}

// capturedAt is the inner address of the capture, as client ids begin with it.
const capturedAt = "7f000001326e"

// TestPHPStandIn: e2e/testdata/gatewayclient.php sends exactly the bytes that
// GatewayClient sends, and decodes replies to the same values. So a test with it
// holds for GatewayClient too.
func TestPHPStandIn(t *testing.T) {
	t.Parallel()
	program(t, "php", "php-cli")
	vectors := apiVectors(t)
	gateway := newReplay(t, vectors)
	register := fakeRegister(t, gateway.address)
	out := phpScript(t, "e2e/testdata/gatewayclient.php", nil, register, "", "vectors", gateway.address)

	here := clientIDPrefix(t, gateway.address)
	returned := make(map[string]string)
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		returned["api."+name+".request"] = strings.ReplaceAll(value, here, capturedAt)
	}
	calls := 0
	for _, v := range vectors {
		if !strings.HasSuffix(v.Name, ".request") {
			continue
		}
		calls++
		if got := returned[v.Name]; got != v.PHPReturns {
			t.Errorf("%s returned\n%s, GatewayClient\n%s", v.Name, got, v.PHPReturns)
		}
	}
	gateway.mu.Lock()
	defer gateway.mu.Unlock()
	if len(gateway.left) != 0 || calls < 100 {
		t.Errorf("%d vectors were left, %d calls", len(gateway.left), calls)
	}
}

func apiVectors(t *testing.T) []apiVector {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(wstest.Root(t), "codec/gatewayworker/testdata/vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all, api []apiVector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if v.Group == "api" {
			api = append(api, v)
		}
	}
	return api
}

// clientIDPrefix is the beginning of the ids of a gateway's clients.
func clientIDPrefix(t *testing.T, address string) string {
	t.Helper()
	tcp, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(binary.BigEndian.AppendUint16(tcp.IP.To4(), uint16(tcp.Port)))
}

// replay is a gateway that expects the requests of the vectors in order, each on a
// connection of its own, and replies as captured.
type replay struct {
	t       *testing.T
	address string
	mu      sync.Mutex
	left    []apiVector
}

func newReplay(t *testing.T, vectors []apiVector) *replay {
	t.Helper()
	r := &replay{t: t, left: vectors}
	r.address = serve(t, func(conn net.Conn) error { return r.serve(conn) })
	return r
}

func (r *replay) serve(conn net.Conn) error {
	head := make([]byte, 4)
	if _, err := io.ReadFull(conn, head); err != nil {
		return err
	}
	request := append(head, make([]byte, binary.BigEndian.Uint32(head)-4)...)
	if _, err := io.ReadFull(conn, request[4:]); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.left) == 0 {
		return fmt.Errorf("one request too many: %x", request)
	}
	v := r.left[0]
	r.left = r.left[1:]
	if want, _ := hex.DecodeString(v.Hex); !bytes.Equal(request, want) {
		r.t.Errorf("%s is\n%q, captured\n%q", v.Name, request, want)
	}
	if len(r.left) > 0 && strings.HasSuffix(r.left[0].Name, ".reply") {
		reply, _ := hex.DecodeString(r.left[0].Hex)
		r.left = r.left[1:]
		conn.Write(reply)
	}
	return nil
}

// fakeRegister sends every connection the list of one gateway.
func fakeRegister(t *testing.T, gateway string) string {
	t.Helper()
	return serve(t, func(conn net.Conn) error {
		line := make([]byte, 200)
		if _, err := conn.Read(line); err != nil {
			return err
		}
		_, err := fmt.Fprintf(conn, `{"event":"broadcast_addresses","addresses":[%q]}`+"\n", gateway)
		return err
	})
}

// serve accepts connections one after the other, calls f with each and closes it.
// An error of f fails the test.
func serve(t *testing.T, f func(conn net.Conn) error) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if err := f(conn); err != nil {
				t.Error(err)
			}
			conn.Close()
		}
	}()
	return l.Addr().String()
}
