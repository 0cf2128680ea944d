package events

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/server/gateway"
)

// No message that was taken is lost, however many clients send at once, and whether
// the backend is away or slower than they are; nor are the events of the clients.
func TestNoMessageIsLost(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "events")} {
		b := newBackend(t)
		b.answers(away)
		c := config(b.url)
		c.Quota, c.Dir, c.Types, c.Keep = MinQuota, dir, c.Types|1<<Message, 0
		h := &resumed{keys: make(chan uint64, 1000)}
		e := startFor(t, c, h)
		const clients = 30
		var taken [clients]int
		// flood sends of each client until it is held or refused.
		flood := func(from int) {
			var all sync.WaitGroup
			for n := range clients {
				all.Go(func() {
					w := client(n + 1)
					for i := from; i < from+1000; i++ {
						taking := e.Message(w, false, []byte(fmt.Sprint(i)+strings.Repeat("\"", 2000)))
						if taking == gateway.RefusedFull {
							return
						}
						if taken[n]++; taking == gateway.TakenEnough {
							return
						}
					}
				})
			}
			all.Wait()
		}
		for n := range clients {
			e.Connected(client(n+1), nil)
		}
		flood(0)
		b.answers(nil)
		for range 5 { // whoever is read again sends on
			select {
			case <-h.keys:
			case <-time.After(30 * time.Second):
				t.Fatal("nobody is read again")
			}
			flood(0)
		}
		want := clients
		for _, n := range taken {
			want += n
		}
		got := b.await(want)
		for _, g := range got {
			if g.Type == Lost.String() {
				t.Fatalf("dir %q: %d of %d events are lost: %s", dir, g.Data.Count, want, g.Data.Reason)
			}
		}
		inOrder(t, got)
		end(t, e)
	}
}

// What is reserved for a message is never less than what its record takes.
func TestMessageRoom(t *testing.T) {
	for _, payload := range [][]byte{
		nil, []byte("plain"), bytes.Repeat([]byte{0}, 5000), bytes.Repeat([]byte("\"\\"), 5000), bytes.Repeat([]byte{255}, 5000),
		[]byte(strings.Repeat("ä\n", 5000)), []byte(strings.Repeat("世", 5000)), []byte("\u2028\u007f"),
	} {
		for _, binary := range []bool{true, false} {
			for _, uid := range []string{"", strings.Repeat("\x01", 255), strings.Repeat("\xff", 255)} {
				c := config()
				c.Types, c.Node = 1<<Message|1<<Connected, 65535
				e, err := New(c)
				if err != nil {
					t.Fatal(err)
				}
				w := client(1)
				w.ID, w.UID = strings.Repeat("f", 32), uid
				e.Connected(w, nil)
				e.journal.cycle(nil)
				before := e.store.Size()
				if e.Message(w, binary, payload) != gateway.Taken {
					t.Fatal("it is not taken")
				}
				reserved := e.room.reserved.Load()
				e.journal.cycle(nil)
				if took := e.store.Size() - before; took == 0 || took > reserved {
					t.Errorf("%.10q binary %t: %d bytes were reserved, %d taken", payload, binary, reserved, took)
				}
				if left := e.room.reserved.Load(); left != 0 {
					t.Errorf("%d bytes stay reserved", left)
				}
				e.Start()
				end(t, e)
			}
		}
	}
}

// A message that can never find room is too large, and not refused for now.
func TestMessageLargerThanTheQueue(t *testing.T) {
	c := config()
	c.Quota, c.Types = MinQuota, c.Types|1<<Message
	e := start(t, c)
	w := client(1)
	e.Connected(w, nil)
	if taking := e.Message(w, false, bytes.Repeat([]byte{'"'}, MinQuota/2)); taking != gateway.RefusedLarge {
		t.Errorf("%d", taking)
	}
}

// Names that are not UTF-8, as PHP may give them, stay different.
func TestNamesThatAreNoText(t *testing.T) {
	for name, want := range map[string]string{
		"\xff": `"\uFFFDff"`, "\xfe": `"\uFFFDfe"`, "a\xc3": `"a\uFFFDc3"`, "\xe4\xb8": `"\uFFFDe4\uFFFDb8"`, "\uFFFD": `"\uFFFD"`, "\u00fc": `"\u00fc"`,
	} {
		want := strings.NewReplacer(`\uFFFD`, "\uFFFD", `\u00fc`, "\u00fc").Replace(want)
		if got := string(appendText(nil, name)); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
