package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// castgate calls the gateway's control API. Any goroutine may use it.
type castgate struct {
	control string // host:port
	key     string // "" if the gateway was started without keys
	http    http.Client
}

// answerLimit bounds how much of an answer is read; answers to this example are
// short.
const answerLimit = 1 << 20

func newCastgate(control, key string) *castgate {
	return &castgate{control: control, key: key, http: http.Client{Timeout: 3 * time.Second}}
}

// problem is an answer of the control port other than 200, or no answer.
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Error implements the error interface.
func (p *problem) Error() string { return p.Detail }

// targets names the receivers of a push.
type targets struct {
	ClientIDs []string `json:"client_ids,omitempty"`
	UIDs      []string `json:"uids,omitempty"`
	Groups    []string `json:"groups,omitempty"`
	All       bool     `json:"all,omitempty"`
}

// bind binds a client to a uid and joins it to groups.
func (c *castgate) bind(ctx context.Context, clientID, uid string, groups ...string) error {
	return c.call(ctx, "bind", map[string]any{"client_id": clientID, "uid": uid, "groups": groups}, nil)
}

// push sends a JSON message and returns how many clients it matched.
func (c *castgate) push(ctx context.Context, to, exclude targets, message any) (matched int, err error) {
	body := map[string]any{"to": to, "json": message}
	if len(exclude.UIDs)+len(exclude.ClientIDs) > 0 {
		body["exclude"] = exclude
	}
	var answer struct {
		Matched int `json:"matched"`
	}
	err = c.call(ctx, "push", body, &answer)
	return answer.Matched, err
}

// call posts one verb. Every error it returns is a *problem.
func (c *castgate) call(ctx context.Context, verb string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return &problem{http.StatusInternalServerError, "encode", err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.control+"/v1/"+verb, bytes.NewReader(data))
	if err != nil {
		return &problem{http.StatusInternalServerError, "address", err.Error()}
	}
	req.Header.Set("Content-Type", "application/json")
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return &problem{http.StatusBadGateway, "unreachable", "the gateway's control port does not answer"}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return &problem{http.StatusBadGateway, "unreachable", err.Error()}
	}
	if resp.StatusCode != http.StatusOK {
		p := &problem{}
		if json.Unmarshal(text, p) != nil || p.Detail == "" {
			p.Detail = fmt.Sprintf("the control port answered %s", resp.Status)
		}
		p.Status = resp.StatusCode
		return p
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return &problem{http.StatusBadGateway, "malformed", err.Error()}
	}
	return nil
}
