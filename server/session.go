package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// PutSession implements Gateway.
func (s *Server) PutSession(_ context.Context, clientID string, session json.RawMessage) (json.RawMessage, error) {
	return s.changeSession(clientID, func([]byte) ([]byte, error) { return session, nil })
}

// PatchSession implements Gateway.
func (s *Server) PatchSession(_ context.Context, clientID string, patch json.RawMessage) (json.RawMessage, error) {
	if err := checkObject(patch); err != nil {
		return nil, err
	}
	return s.changeSession(clientID, func(old []byte) ([]byte, error) {
		merged, err := jsonpatch.MergePatch(old, patch)
		if err != nil {
			return nil, &Error{CodeInvalidSession, "the patch can't be merged: " + err.Error()}
		}
		return merged, nil
	})
}

// changeSession stores what change makes of the old session, "{}" if there was
// none. Two changes of one client's session follow each other.
func (s *Server) changeSession(clientID string, change func(old []byte) ([]byte, error)) (json.RawMessage, error) {
	var stored []byte
	var err error
	found := s.registry.lookup(s.ids.parse(clientID), func(c *client) {
		old := []byte("{}")
		if c.session != nil {
			old = []byte(*c.session)
		}
		var made []byte
		if made, err = change(old); err != nil {
			return
		}
		if stored, err = compactSession(made); err == nil {
			text := string(stored)
			c.session = &text
		}
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, unknownClient(clientID)
	}
	return stored, nil
}

func compactSession(session []byte) ([]byte, error) {
	if err := checkObject(session); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Compact(&b, session); err != nil {
		return nil, &Error{CodeInvalidSession, "a session is a JSON object: " + err.Error()}
	}
	if b.Len() > MaxSessionLen {
		return nil, &Error{CodeSessionTooLarge, fmt.Sprintf("the session has %d bytes, %d are allowed", b.Len(), MaxSessionLen)}
	}
	return b.Bytes(), nil
}

func checkObject(b []byte) error {
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' || !json.Valid(b) {
		return &Error{CodeInvalidSession, "a session is a JSON object"}
	}
	return nil
}
