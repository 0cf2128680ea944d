package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// A session is merged and looked at while nobody waits for the lock of the
// client's chunk: the loop does, and up to 255 other clients.
func TestSessionIsChangedWithoutTheClientsLock(t *testing.T) {
	k := newSink(t, 1, 1)
	h := k.connect(t, 0)
	id := k.ids.string(h, 0)
	ch, _ := k.registry.client(h)
	got, err := k.changeSession(id, func(old []byte) ([]byte, error) {
		if string(old) != "{}" {
			t.Errorf("a new client has the session %s", old)
		}
		if !ch.mu.TryLock() {
			return nil, errors.New("the client is locked")
		}
		ch.mu.Unlock()
		return []byte(`{ "a": 1 }`), nil
	})
	if err != nil || string(got) != `{"a":1}` {
		t.Errorf("%s, %v", got, err)
	}
	unknown := &Error{Code: CodeUnknownClient}
	_, err = k.changeSession(id, func(old []byte) ([]byte, error) {
		if string(old) != `{"a":1}` {
			t.Errorf("the session is %s", old)
		}
		k.registry.unregister(h)
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
	k := newSink(t, 1, 1)
	id := k.ids.string(k.connect(t, 0), 0)
	patch := func(n int) json.RawMessage { return json.RawMessage(`{"k":null` + strings.Repeat(" ", n-10) + "}") }
	if got, err := k.PatchSession(t.Context(), id, patch(MaxPatchLen)); err != nil || string(got) != "{}" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := k.PatchSession(t.Context(), id, patch(MaxPatchLen+1)); !errors.Is(err, &Error{Code: CodeSessionTooLarge}) {
		t.Errorf("a patch that is too large: %v", err)
	}
}

// Two changes of one client's session follow each other, whoever asks for them.
func TestSessionPatchesAtOnce(t *testing.T) {
	k := newSink(t, 1, 1)
	id := k.ids.string(k.connect(t, 0), 0)
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
