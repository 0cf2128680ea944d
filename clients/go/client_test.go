package castgate

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestNewAddresses(t *testing.T) {
	for address, base := range map[string]string{
		"":                          "http://127.0.0.1:7273",
		"gateway:1":                 "http://gateway:1",
		"[::1]:7273":                "http://[::1]:7273",
		"unix:/run/castgate.sock":   "http://control",
		"https://gateway/castgate/": "https://gateway/castgate",
	} {
		t.Setenv("CASTGATE_CONTROL", "")
		c, err := New(address, Options{})
		if err != nil || c.base != base {
			t.Errorf("%q: %q, %v, want %q", address, c.base, err, base)
		}
	}
	for _, address := range []string{"ftp://gateway", "http://", "http://g/?x=1"} {
		if _, err := New(address, Options{}); Code(err) != CodeInvalidAddress {
			t.Errorf("%q: error %v", address, err)
		}
	}
	t.Setenv("CASTGATE_CONTROL", "elsewhere:7")
	if c, err := New("", Options{}); err != nil || c.base != "http://elsewhere:7" {
		t.Errorf("from the environment: %v, %v", c, err)
	}
}

func TestStringsThatAreNotUTF8(t *testing.T) {
	c, err := New("127.0.0.1:1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	const bad = "a\xff"
	ctx, all := context.Background(), Targets{All: true}
	for name, call := range map[string]func() error{
		"uid":    func() error { _, err := c.Bind(ctx, "c", bad); return err },
		"target": func() error { _, err := c.Push(ctx, Targets{Groups: []string{bad}}, Text("")); return err },
		"except": func() error { _, err := c.Push(ctx, all, Text(""), Except(Exclude{UIDs: []string{bad}})); return err },
		"text":   func() error { _, err := c.Push(ctx, all, Text(bad)); return err },
		"raw":    func() error { _, err := c.PushRaw(ctx, all, Text(bad)); return err },
		"reason": func() error { _, err := c.Kick(ctx, all, Kick{Reason: bad}); return err },
		"batch": func() error {
			b := c.Batch()
			b.Ungroup(bad)
			_, err := b.Send(ctx)
			return err
		},
	} {
		if err := call(); Code(err) != CodeInvalidUtf8 {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := c.Push(ctx, all, JSON(func() {})); Code(err) != CodeInvalidValue {
		t.Errorf("a function: error %v", err)
	}
}

// A context that ends is neither a time-out nor retried.
func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked++
		cancel()
		<-ctx.Done()
		time.Sleep(10 * time.Millisecond)
	}))
	defer server.Close()
	c, err := New(server.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Stats(ctx)
	if !errors.Is(err, context.Canceled) || Code(err) != CodeCanceled || asked != 1 {
		t.Errorf("error %v, asked %d times", err, asked)
	}
}

// The listing of a caller that breaks off ends its request.
func TestListingLeftEarly(t *testing.T) {
	left := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("{\"uid\":\"a\",\"clients\":1}\n"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(left)
	}))
	defer server.Close()
	c, err := New(server.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range c.UIDs(context.Background(), Filter{}) {
		if err != nil || row.UID != "a" {
			t.Errorf("row %v, error %v", row, err)
		}
		break
	}
	<-left
}
