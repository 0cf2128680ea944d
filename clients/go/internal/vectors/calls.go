package main

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"

	castgate "github.com/castgate/castgate-go"
)

// arguments are those of all calls; a call takes what it needs.
type arguments struct {
	Op        string
	ClientID  string `json:"client_id"`
	UID       string
	Group     string
	Limit     int
	Cursor    string
	Cluster   bool
	Exclusive string
	Groups    []string
	UIDs      []string `json:"uids"`
	ClientIDs []string `json:"client_ids"`
	To        castgate.Targets
	Exclude   castgate.Exclude
	Text      *string
	JSON      json.RawMessage
	Base64    *string
	Wait      any // true, or seconds
	Code      int
	Reason    string
	Session   json.RawMessage
	Patch     json.RawMessage
	Commands  []json.RawMessage
	Secrets   []string
	Headers   map[string]string
	Body      string
	Now       int64
	After     string
	IDs       []string `json:"ids"`
	Dead      bool
}

// UnmarshalJSON keeps a JSON value of null, which is a message.
func (a *arguments) UnmarshalJSON(text []byte) error {
	type plain arguments
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	err := json.Unmarshal(text, (*plain)(a))
	a.JSON = fields["json"]
	return err
}

func (a *arguments) message() castgate.Message {
	switch {
	case a.Text != nil:
		return castgate.Text(*a.Text)
	case a.Base64 != nil:
		return castgate.Binary(bytesOf(*a.Base64))
	}
	return castgate.JSON(a.JSON)
}

func (a *arguments) pushOptions() []castgate.PushOption {
	options := []castgate.PushOption{castgate.Except(a.Exclude)}
	if a.Wait != nil {
		options = append(options, castgate.Wait())
	}
	return options
}

func (a *arguments) members() castgate.Members {
	return castgate.Members{ClientIDs: a.ClientIDs, UIDs: a.UIDs}
}

func (a *arguments) kick() castgate.Kick {
	k := castgate.Kick{Exclude: a.Exclude, Code: a.Code, Reason: a.Reason}
	if a.Text != nil {
		k.Text = *a.Text
	}
	return k
}

func (a *arguments) filter() castgate.Filter {
	return castgate.Filter{UID: a.UID, Group: a.Group, Limit: a.Limit, Cursor: a.Cursor}
}

func (a *arguments) feed() castgate.Feed {
	seconds, _ := a.Wait.(float64) // or none
	return castgate.Feed{After: a.After, Limit: a.Limit, Wait: time.Duration(seconds) * time.Second}
}

// carryOut makes a call and returns its value.
func carryOut(ctx context.Context, c *castgate.Client, name string, text json.RawMessage) (any, error) {
	var a arguments
	decode(text, &a)
	switch name {
	case "bind":
		if a.Exclusive != "" {
			return c.BindExclusive(ctx, a.ClientID, a.UID, a.Groups...)
		}
		return c.Bind(ctx, a.ClientID, a.UID, a.Groups...)
	case "unbind":
		if a.UIDs != nil {
			return c.UnbindUIDs(ctx, a.UIDs...)
		}
		return c.Unbind(ctx, a.ClientID)
	case "join":
		return c.Join(ctx, a.Groups, a.members())
	case "leave":
		return c.Leave(ctx, a.Groups, a.members())
	case "ungroup":
		return c.Ungroup(ctx, a.Groups...)
	case "push":
		return c.Push(ctx, a.To, a.message(), a.pushOptions()...)
	case "push_raw":
		return c.PushRaw(ctx, a.To, a.message(), a.pushOptions()...)
	case "kick":
		return c.Kick(ctx, a.To, a.kick())
	case "online":
		return c.Online(ctx, a.members())
	case "counts":
		return c.Counts(ctx, a.Groups, a.UIDs)
	case "batch":
		return batch(ctx, c, a.Commands)
	case "verify":
		return verify(&a)
	}
	return query(ctx, c, name, &a)
}

func query(ctx context.Context, c *castgate.Client, name string, a *arguments) (any, error) {
	switch name {
	case "stats":
		if a.Cluster {
			return c.ClusterStats(ctx)
		}
		return c.Stats(ctx)
	case "reload":
		return c.Reload(ctx)
	case "ready":
		return c.Ready(ctx)
	case "client":
		return c.Lookup(ctx, a.ClientID)
	case "put_session":
		return c.PutSession(ctx, a.ClientID, a.Session)
	case "patch_session":
		return c.PatchSession(ctx, a.ClientID, a.Patch)
	case "clients":
		return collect(c.Clients(ctx, a.filter()))
	case "uids":
		return collect(c.UIDs(ctx, a.filter()))
	case "groups":
		return collect(c.Groups(ctx, a.filter()))
	case "client_page":
		return c.ClientPage(ctx, a.filter())
	case "uid_page":
		return c.UIDPage(ctx, a.filter())
	case "group_page":
		return c.GroupPage(ctx, a.filter())
	case "nodes":
		return c.Nodes(ctx)
	case "events":
		return collect(c.Events(ctx, a.feed()))
	case "event_page":
		return c.EventPage(ctx, a.feed())
	case "dead_events":
		return c.DeadEvents(ctx)
	case "replay":
		return c.Replay(ctx, castgate.Replay{After: a.After, IDs: a.IDs, Dead: a.Dead})
	}
	return nil, &castgate.Error{Code: "no call " + name}
}

func collect[T any](rows iter.Seq2[T, error]) (any, error) {
	list := []T{}
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, nil
}

func batch(ctx context.Context, c *castgate.Client, commands []json.RawMessage) (any, error) {
	b := c.Batch()
	for _, text := range commands {
		var a arguments
		decode(text, &a)
		add(b, &a)
	}
	replies, err := b.Send(ctx)
	if err != nil {
		return nil, err
	}
	values := []any{}
	for _, r := range replies {
		if r.Err != nil {
			values = append(values, map[string]any{"error": failure(r.Err)})
		} else {
			values = append(values, map[string]any{"value": r.Body})
		}
	}
	return values, nil
}

func add(b *castgate.Batch, a *arguments) {
	switch a.Op {
	case "bind":
		if a.Exclusive != "" {
			b.BindExclusive(a.ClientID, a.UID, a.Groups...)
		} else {
			b.Bind(a.ClientID, a.UID, a.Groups...)
		}
	case "unbind":
		if a.UIDs != nil {
			b.UnbindUIDs(a.UIDs...)
		} else {
			b.Unbind(a.ClientID)
		}
	case "join":
		b.Join(a.Groups, a.members())
	case "leave":
		b.Leave(a.Groups, a.members())
	case "ungroup":
		b.Ungroup(a.Groups...)
	case "push":
		b.Push(a.To, a.message(), a.pushOptions()...)
	case "kick":
		b.Kick(a.To, a.kick())
	case "online":
		b.Online(a.members())
	case "counts":
		b.Counts(a.Groups, a.UIDs)
	case "put_session":
		b.PutSession(a.ClientID, a.Session)
	case "patch_session":
		b.PatchSession(a.ClientID, a.Session)
	}
}

func verify(a *arguments) (any, error) {
	v, err := castgate.NewVerifier(a.Secrets...)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for name, value := range a.Headers {
		header.Set(name, value)
	}
	if a.Now != 0 {
		v.Now = func() time.Time { return time.Unix(a.Now, 0) }
	}
	return v.Verify(header, []byte(a.Body))
}
