package verbs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"castgate/server/client"
	"castgate/server/gateway"
	"castgate/server/internal/mergepatch"
)

// sessionLocks is how many changes of JSON sessions may be made at once.
const sessionLocks = 16

// PutSession implements Gateway.
func (v *Verbs) PutSession(_ context.Context, clientID string, session json.RawMessage) (json.RawMessage, error) {
	return v.changeSession(clientID, func([]byte) ([]byte, error) { return session, nil })
}

// PatchSession implements Gateway.
func (v *Verbs) PatchSession(_ context.Context, clientID string, patch json.RawMessage) (json.RawMessage, error) {
	if len(patch) > gateway.MaxPatchLen {
		return nil, &gateway.Error{Code: gateway.CodeSessionTooLarge, Detail: fmt.Sprintf("the patch has %d bytes; at most %d are allowed", len(patch), gateway.MaxPatchLen)}
	}
	if err := checkObject(patch); err != nil {
		return nil, err
	}
	return v.changeSession(clientID, func(old []byte) ([]byte, error) {
		merged, err := mergepatch.Apply(old, patch)
		if err != nil {
			return nil, &gateway.Error{Code: gateway.CodeInvalidSession, Detail: "the session cannot be patched: " + err.Error()}
		}
		return merged, nil
	})
}

// changeSession stores what change makes of the old session, "{}" if there was
// none. Two changes of one client's session follow each other: they have a lock
// of their own, since the client's is one that loops wait for.
func (v *Verbs) changeSession(clientID string, change func(old []byte) ([]byte, error)) (json.RawMessage, error) {
	h := v.loops.IDs.Parse(clientID)
	mu := &v.sessions[h.Slot()%sessionLocks]
	mu.Lock()
	defer mu.Unlock()
	old := "{}"
	if !v.loops.Registry.Lookup(h, func(c *client.Client) {
		if c.Session != nil && c.Session.JSON != "" {
			old = c.Session.JSON
		}
	}) {
		return nil, unknownClient(clientID)
	}
	made, err := change([]byte(old))
	if err != nil {
		return nil, err
	}
	stored, err := compactSession(made)
	if err != nil {
		return nil, err
	}
	text := string(stored)
	if !v.loops.Registry.Lookup(h, func(c *client.Client) { c.Keep().JSON = text }) {
		return nil, unknownClient(clientID)
	}
	return stored, nil
}

// compactSession returns a session without white space between its tokens. All
// else stays as it was given.
func compactSession(session []byte) ([]byte, error) {
	if err := checkObject(session); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Compact(&b, session); err != nil {
		return nil, &gateway.Error{Code: gateway.CodeInvalidSession, Detail: "a session must be a JSON object: " + err.Error()}
	}
	if b.Len() > gateway.MaxSessionLen {
		return nil, &gateway.Error{Code: gateway.CodeSessionTooLarge, Detail: fmt.Sprintf("the session has %d bytes; at most %d are allowed", b.Len(), gateway.MaxSessionLen)}
	}
	return b.Bytes(), nil
}

func checkObject(b []byte) error {
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' || !json.Valid(b) {
		return &gateway.Error{Code: gateway.CodeInvalidSession, Detail: "a session must be a JSON object"}
	}
	return nil
}

// SessionBytes implements GatewayWorker.
func (v *Verbs) SessionBytes(_ context.Context, clientID string) (stored string, online bool, err error) {
	online = v.loops.Registry.Lookup(v.loops.IDs.Parse(clientID), func(c *client.Client) {
		if c.Session != nil {
			stored = c.Session.Bytes
		}
	})
	return stored, online, nil
}

// PutSessionBytes implements GatewayWorker.
func (v *Verbs) PutSessionBytes(_ context.Context, clientID string, stored []byte) error {
	if len(stored) > gateway.MaxSessionBytes {
		return &gateway.Error{Code: gateway.CodeSessionTooLarge, Detail: fmt.Sprintf("the session has %d bytes; at most %d are allowed", len(stored), gateway.MaxSessionBytes)}
	}
	text := string(stored)
	found := v.loops.Registry.Lookup(v.loops.IDs.Parse(clientID), func(c *client.Client) {
		switch {
		case text != "":
			c.Keep().Bytes = text
		case c.Session != nil && c.Session.JSON == "":
			c.Session = nil
		case c.Session != nil:
			c.Session.Bytes = ""
		}
	})
	if !found {
		return unknownClient(clientID)
	}
	return nil
}
