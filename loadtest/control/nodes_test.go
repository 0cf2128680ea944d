package control

import (
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

// With several addresses, each request goes to the next node, over TCP or a unix
// socket; all have to be ready, and metrics are sums.
func TestControlOfSeveralNodes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control")
	unix, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked, ready := map[string]int{}, http.StatusOK
	for name, l := range map[string]net.Listener{"unix": unix, "tcp": tcp} {
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/metrics":
				_, _ = w.Write([]byte("a{b=\"c\"} 3\na{b=\"d\"} 1\n"))
			case "/readyz":
				if name == "tcp" {
					w.WriteHeader(ready)
				}
			default:
				asked[name]++
				_, _ = w.Write([]byte(`{"matched":1}`))
			}
		})}
		go s.Serve(l)
		t.Cleanup(func() { s.Close() })
	}
	c := New("unix:"+path+", "+tcp.Addr().String(), "", 1)
	t.Cleanup(c.Close)
	for range 10 {
		if r, err := c.Broadcast(t.Context(), []byte("x")); err != nil || r.Matched != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if asked["unix"] != 5 || asked["tcp"] != 5 {
		t.Errorf("asked %v", asked)
	}
	all, err := c.Metrics(t.Context())
	if err != nil || all["a"] != 8 || all[`a{b="c"}`] != 6 {
		t.Errorf("%v, %v", all, err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if ready = http.StatusServiceUnavailable; c.Ready(t.Context()) == nil {
		t.Error("ready, though one node is not")
	}
}
