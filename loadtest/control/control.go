// Package control is a client of the control API, with what measurements need.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"castgate/loadtest/internal/oneline"
)

// Client is a client of a gateway's control API, with what measurements need. Where
// it has several addresses, of the nodes of a cluster, each request goes to the next.
// Its methods may be called from any goroutine.
type Client struct {
	bases []string
	turn  atomic.Uint32
	key   string
	http  http.Client
}

// PushResult is the gateway's answer to a push. If the push did not wait for
// the sockets, messages that are Queued may still be dropped.
type PushResult struct {
	Matched int `json:"matched"`
	Queued  int `json:"queued"`
	Dropped int `json:"dropped"`
}

// RefusedError is an answer other than 200.
type RefusedError struct {
	Status int
	Body   string // code and detail of the problem, or the beginning of any other body
}

// Error implements the error interface.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("the control API answered %d %s: %s", e.Status, http.StatusText(e.Status), e.Body)
}

const (
	// batchCommands is the number of commands per request: even with the
	// longest names the body stays well below the gateway's limit of 1 MiB.
	BatchCommands = 1000
	controlWait   = 30 * time.Second
	maxAnswer     = 4 << 20
)

// New makes a client of the control API at addr: host:port, an http://
// URL or unix:/path, or several of them, separated by commas. key may be empty. Up to
// conns requests to each run concurrently over persistent connections.
func New(addr, key string, conns int) *Client {
	transport := &http.Transport{
		MaxIdleConns: conns, MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns,
		DisableCompression: true, IdleConnTimeout: time.Minute,
	}
	c := &Client{key: key, http: http.Client{Transport: transport, Timeout: controlWait}}
	sockets := map[string]string{} // by the made-up name of a gateway
	for one := range strings.SplitSeq(addr, ",") {
		base := strings.TrimSuffix(strings.TrimSpace(one), "/")
		if path, ok := strings.CutPrefix(base, "unix:"); ok {
			name := fmt.Sprint("gateway-", len(c.bases))
			sockets[name+":80"], base = path, "http://"+name
		} else if !strings.Contains(base, "://") {
			base = "http://" + base
		}
		c.bases = append(c.bases, base)
	}
	var d net.Dialer
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if path, ok := sockets[address]; ok {
			return d.DialContext(ctx, "unix", path)
		}
		return d.DialContext(ctx, network, address)
	}
	return c
}

// next is the base of the node whose turn it is.
func (c *Client) next() string { return c.bases[int(c.turn.Add(1))%len(c.bases)] }

// Close closes the persistent connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Broadcast pushes text to every client.
func (c *Client) Broadcast(ctx context.Context, text []byte) (PushResult, error) {
	return c.push(ctx, "all=1", text)
}

// PushClient pushes text to one client.
func (c *Client) PushClient(ctx context.Context, clientID string, text []byte) (PushResult, error) {
	return c.push(ctx, "client_id="+url.QueryEscape(clientID), text)
}

// PushUID pushes text to all clients of a uid.
func (c *Client) PushUID(ctx context.Context, uid string, text []byte) (PushResult, error) {
	return c.push(ctx, "uid="+url.QueryEscape(uid), text)
}

// PushGroup pushes text to the members of a group.
func (c *Client) PushGroup(ctx context.Context, group string, text []byte) (PushResult, error) {
	return c.push(ctx, "group="+url.QueryEscape(group), text)
}

// PushToGroups is a Pusher whose target is the number of a group.
func (c *Client) PushToGroups(ctx context.Context, group int, text []byte) (PushResult, error) {
	return c.PushGroup(ctx, GroupName(group), text)
}

// PushTo returns a Pusher whose target is an index into clientIDs, or that
// pushes to everybody if that is nil.
func (c *Client) PushTo(clientIDs []string) Pusher {
	if clientIDs == nil {
		return func(ctx context.Context, _ int, payload []byte) (PushResult, error) {
			return c.Broadcast(ctx, payload)
		}
	}
	return func(ctx context.Context, target int, payload []byte) (PushResult, error) {
		return c.PushClient(ctx, clientIDs[target], payload)
	}
}

func (c *Client) push(ctx context.Context, query string, text []byte) (r PushResult, err error) {
	return r, c.post(ctx, "/v1/push/raw?"+query, "text/plain; charset=utf-8", text, &r)
}

// Bind binds clients, 1,000 per request. If any fails, it returns an error.
func (c *Client) Bind(ctx context.Context, all []Binding) error {
	type command struct {
		Op string `json:"op"`
		Binding
	}
	for len(all) > 0 {
		n := min(len(all), BatchCommands)
		commands := make([]command, n)
		for i, b := range all[:n] {
			commands[i] = command{"bind", b}
		}
		if err := batch(ctx, c, commands); err != nil {
			return fmt.Errorf("bind: %w", err)
		}
		all = all[n:]
	}
	return nil
}

// Join adds clients to groups, 1,000 clients per request.
func (c *Client) Join(ctx context.Context, clientIDs, groups []string) error {
	type command struct {
		Op        string   `json:"op"`
		ClientIDs []string `json:"client_ids"`
		Groups    []string `json:"groups"`
	}
	for len(clientIDs) > 0 {
		n := min(len(clientIDs), BatchCommands)
		if err := batch(ctx, c, []command{{"join", clientIDs[:n], groups}}); err != nil {
			return fmt.Errorf("join: %w", err)
		}
		clientIDs = clientIDs[n:]
	}
	return nil
}

// batch sends commands with /v1/batch; every one of them must succeed.
func batch[T any](ctx context.Context, c *Client, commands []T) error {
	body, err := json.Marshal(map[string]any{"commands": commands})
	if err != nil {
		return err
	}
	var answer struct {
		Replies []json.RawMessage `json:"replies"`
	}
	if err := c.post(ctx, "/v1/batch", "application/json", body, &answer); err != nil {
		return err
	}
	if len(answer.Replies) != len(commands) {
		return fmt.Errorf("%d replies to %d commands", len(answer.Replies), len(commands))
	}
	for _, raw := range answer.Replies {
		var reply struct {
			Status  int             `json:"status"`
			Problem json.RawMessage `json:"problem"`
		}
		if err := json.Unmarshal(raw, &reply); err != nil {
			return fmt.Errorf("reply %s: %w", oneline.Excerpt(raw), err)
		}
		if reply.Status != http.StatusOK {
			return &RefusedError{Status: reply.Status, Body: problem(reply.Problem)}
		}
	}
	return nil
}

// Ready asks whether all servers accept clients.
func (c *Client) Ready(ctx context.Context) error {
	for _, base := range c.bases {
		if _, err := c.do(ctx, http.MethodGet, base+"/readyz", "", nil); err != nil {
			return err
		}
	}
	return nil
}

// Reload has all servers read their settings again.
func (c *Client) Reload(ctx context.Context) error {
	for _, base := range c.bases {
		if _, err := c.do(ctx, http.MethodPost, base+"/v1/reload", "", nil); err != nil {
			return err
		}
	}
	return nil
}

// post sends a request and decodes a JSON answer with status 200 into answer.
func (c *Client) post(ctx context.Context, path, contentType string, body []byte, answer any) error {
	b, err := c.do(ctx, http.MethodPost, c.next()+path, contentType, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("answer to %s: %w: %s", path, err, oneline.Excerpt(b))
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, url, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("control API: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("control API: %w", err)
	}
	if len(answer) > maxAnswer {
		return nil, errors.New("control API: the answer exceeds 4 MiB")
	}
	if res.StatusCode != http.StatusOK {
		return nil, &RefusedError{Status: res.StatusCode, Body: problem(answer)}
	}
	return answer, nil
}

// problem summarizes an application/problem+json body.
func problem(body []byte) string {
	var p struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		return oneline.Excerpt(body)
	}
	return p.Code + ": " + p.Detail
}
