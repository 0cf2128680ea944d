package verbs

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/server/gateway"
)

// A session is merged and looked at while nobody waits for the lock of the
// client's chunk: the loop does, and up to 255 other clients.
func TestSessionIsChangedWithoutTheClientsLock(t *testing.T) {
	k := startVerbs(t, 1)
	id := k.connect()
	got, err := k.changeSession(id, func(old []byte) ([]byte, error) {
		if string(old) != "{}" {
			t.Errorf("a new client has the session %s", old)
		}
		asked := make(chan struct{})
		go func() {
			_, _ = k.Online(t.Context(), gateway.Online{ClientIDs: []string{id}})
			close(asked)
		}()
		select {
		case <-asked:
		case <-time.After(40 * time.Second):
			return nil, errors.New("the client is locked")
		}
		return []byte(`{ "a": 1 }`), nil
	})
	if err != nil || string(got) != `{"a":1}` {
		t.Errorf("%s, %v", got, err)
	}
	unknown := &gateway.Error{Code: gateway.CodeUnknownClient}
	_, err = k.changeSession(id, func(old []byte) ([]byte, error) {
		if string(old) != `{"a":1}` {
			t.Errorf("the session is %s", old)
		}
		_ = k.peers[id].Close()
		k.await("its end", func() bool { return k.stats().Connections == 0 })
		return old, nil
	})
	if !errors.Is(err, unknown) {
		t.Errorf("of a client that has gone meanwhile: %v", err)
	}
	if _, err = k.PatchSession(t.Context(), id, json.RawMessage(`{}`)); !errors.Is(err, unknown) {
		t.Errorf("of a client that is gone: %v", err)
	}
}

func TestSessionPatchIsBounded(t *testing.T) {
	k := startVerbs(t, 1)
	id := k.connect()
	patch := func(n int) json.RawMessage { return json.RawMessage(`{"k":null` + strings.Repeat(" ", n-10) + "}") }
	if got, err := k.PatchSession(t.Context(), id, patch(gateway.MaxPatchLen)); err != nil || string(got) != "{}" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := k.PatchSession(t.Context(), id, patch(gateway.MaxPatchLen+1)); !errors.Is(err, &gateway.Error{Code: gateway.CodeSessionTooLarge}) {
		t.Errorf("a patch that is too large: %v", err)
	}
}

// Two changes of one client's session follow each other, whoever asks for them.
func TestSessionPatchesAtOnce(t *testing.T) {
	k := startVerbs(t, 1)
	id := k.connect()
	const callers, each = 8, 20
	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() {
			for i := range each {
				if _, err := k.PatchSession(t.Context(), id, json.RawMessage(fmt.Sprintf(`{"%d-%d":%d}`, n, i, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	info, err := k.PatchSession(t.Context(), id, json.RawMessage("{}"))
	var got map[string]int
	if err != nil || json.Unmarshal(info, &got) != nil || len(got) != callers*each {
		t.Errorf("%d patches made %s, %v", callers*each, info, err)
	}
}

// A session keeps the bytes that it was given with, whether it is put or
// patched, and its size is that of those bytes.
func TestSessionKeepsItsBytes(t *testing.T) {
	k := startVerbs(t, 1)
	id := k.connect()
	const text = `{"z":1.0,"html":"<b>&","big":12345678901234567890,"e":"\u00e9é","seats":[{"until":null}],"none":null}`
	if got, err := k.PutSession(t.Context(), id, json.RawMessage(" "+text+"\n")); err != nil || string(got) != text {
		t.Errorf("put: %s, %v", got, err)
	}
	got, err := k.PatchSession(t.Context(), id, json.RawMessage(`{"seats":[{"until":null},null],"n":1e2,"none":null}`))
	const want = `{"z":1.0,"html":"<b>&","big":12345678901234567890,"e":"\u00e9é","seats":[{"until":null},null],"n":1e2}`
	if err != nil || string(got) != want {
		t.Errorf("patched: %s, %v", got, err)
	}
	object := func(n int) json.RawMessage { return json.RawMessage(`{"a":"` + strings.Repeat("<", n-8) + `"}`) }
	for n, patched := range map[int]bool{908: true, gateway.MaxSessionLen - 6: true, gateway.MaxSessionLen - 5: false} {
		if _, err := k.PutSession(t.Context(), id, object(n)); err != nil {
			t.Fatal(err)
		}
		got, err := k.PatchSession(t.Context(), id, json.RawMessage(`{"n":1}`))
		if patched && (err != nil || len(got) != n+6) || !patched && !errors.Is(err, &gateway.Error{Code: gateway.CodeSessionTooLarge}) {
			t.Errorf("%d bytes and 6 more: %d bytes, %v", n, len(got), err)
		}
	}
	if _, err := k.PatchSession(t.Context(), id, json.RawMessage(`{"a":1,"a":2}`)); !errors.Is(err, &gateway.Error{Code: gateway.CodeInvalidSession}) {
		t.Errorf("a name that stands twice: %v", err)
	}
}
