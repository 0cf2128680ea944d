package castgate

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Members names clients, each by its id or all connections of a uid.
type Members struct{ ClientIDs, UIDs []string }

// Kick says how clients are closed.
type Kick struct {
	// Exclude names clients that stay.
	Exclude Exclude
	// Code is 1000, the default, or 3000 to 4999.
	Code int
	// Reason is UTF-8 of at most 123 bytes.
	Reason string
	// Text is a last message, "" for none.
	Text string
}

// Bind makes a client one of a uid's connections, and joins it to groups. An
// unknown client is CodeUnknownClient: it has left meanwhile.
func (c *Client) Bind(ctx context.Context, clientID, uid string, groups ...string) (BindAnswer, error) {
	return answered[BindAnswer](ctx, c, bindCommand(clientID, uid, groups, false))
}

// BindExclusive is Bind, and closes the uid's other connections with 4001.
func (c *Client) BindExclusive(ctx context.Context, clientID, uid string, groups ...string) (BindAnswer, error) {
	return answered[BindAnswer](ctx, c, bindCommand(clientID, uid, groups, true))
}

// Unbind takes a client's uid away. Its groups stay.
func (c *Client) Unbind(ctx context.Context, clientID string) (UnbindAnswer, error) {
	return answered[UnbindAnswer](ctx, c, newCommand("unbind", "client_id", clientID))
}

// UnbindUIDs takes their uid from all connections of uids.
func (c *Client) UnbindUIDs(ctx context.Context, uids ...string) (UnbindAnswer, error) {
	return answered[UnbindAnswer](ctx, c, newCommand("unbind", "uids", named(uids)))
}

// Join makes clients members of groups.
func (c *Client) Join(ctx context.Context, groups []string, m Members) (MembershipAnswer, error) {
	return answered[MembershipAnswer](ctx, c, membershipCommand("join", groups, m))
}

// Leave takes clients out of groups.
func (c *Client) Leave(ctx context.Context, groups []string, m Members) (MembershipAnswer, error) {
	return answered[MembershipAnswer](ctx, c, membershipCommand("leave", groups, m))
}

// Ungroup empties groups.
func (c *Client) Ungroup(ctx context.Context, groups ...string) (UngroupAnswer, error) {
	return answered[UngroupAnswer](ctx, c, newCommand("ungroup", "groups", named(groups)))
}

// Push sends a message. It is not an error if nobody is there. Every client gets one
// copy, however many targets match it.
func (c *Client) Push(ctx context.Context, to Targets, m Message, options ...PushOption) (PushAnswer, error) {
	return answered[PushAnswer](ctx, c, pushCommand(to, m, options))
}

// Kick closes clients, after what is queued for them.
func (c *Client) Kick(ctx context.Context, to Targets, k Kick) (KickAnswer, error) {
	return answered[KickAnswer](ctx, c, kickCommand(to, k))
}

// Online tells which clients are connected, and how many connections uids have.
func (c *Client) Online(ctx context.Context, m Members) (OnlineAnswer, error) {
	return answered[OnlineAnswer](ctx, c, onlineCommand(m))
}

// Counts counts the members of groups and the connections of uids.
func (c *Client) Counts(ctx context.Context, groups, uids []string) (CountsAnswer, error) {
	return answered[CountsAnswer](ctx, c, countsCommand(groups, uids))
}

// PutSession replaces a client's session, which must encode to a JSON object of at
// most 4 KiB, and returns the session.
func (c *Client) PutSession(ctx context.Context, clientID string, session any) (json.RawMessage, error) {
	return c.session(ctx, http.MethodPut, clientID, session)
}

// PatchSession changes a client's session by a JSON merge patch (RFC 7396), and
// returns the session.
func (c *Client) PatchSession(ctx context.Context, clientID string, patch any) (json.RawMessage, error) {
	return c.session(ctx, http.MethodPatch, clientID, patch)
}

func (c *Client) session(ctx context.Context, method, clientID string, value any) (json.RawMessage, error) {
	body, err := encode(value)
	if err != nil {
		return nil, err
	}
	var session json.RawMessage
	err = c.do(ctx, call{method: method, path: clientPath(clientID) + "/session", contentType: jsonType, body: body, safe: true}, &session)
	return session, err
}

func clientPath(clientID string) string { return "/v1/clients/" + url.PathEscape(clientID) }

// Lookup returns what the gateway knows of a client.
func (c *Client) Lookup(ctx context.Context, clientID string) (d ClientDetails, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: clientPath(clientID), safe: true}, &d)
	return d, err
}

// Stats returns the gateway's counters.
func (c *Client) Stats(ctx context.Context) (s Stats, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/v1/stats", safe: true}, &s)
	return s, err
}

// ClusterStats returns the sums of all nodes of a cluster.
func (c *Client) ClusterStats(ctx context.Context) (s Stats, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/v1/stats?cluster=1", safe: true}, &s)
	return s, err
}

// Reload makes the gateway read its configuration again.
func (c *Client) Reload(ctx context.Context) (a ReloadAnswer, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: "/v1/reload", safe: true}, &a)
	return a, err
}

// Ready tells whether the gateway takes clients. It is false while the gateway
// stops; if nothing answers, that is an error.
func (c *Client) Ready(ctx context.Context) (bool, error) {
	in, _, err := c.attempt(ctx, call{method: http.MethodGet, path: "/readyz"})
	switch {
	case err == nil:
		return true, in.Close()
	case err.Code == CodeNotReady:
		return false, nil
	}
	return false, err
}

// answered carries out a command.
func answered[T any](ctx context.Context, c *Client, cmd command) (answer T, err error) {
	body, err := encode(cmd.body)
	if err != nil {
		return answer, err
	}
	what := call{method: http.MethodPost, path: "/v1/" + cmd.op, contentType: jsonType, body: body, safe: cmd.safe()}
	err = c.do(ctx, what, &answer)
	return answer, err
}
