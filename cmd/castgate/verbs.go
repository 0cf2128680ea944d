package main

import (
	"net/http"
	"net/url"
	"unicode/utf8"

	"castgate/cmd/castgate/internal/process"
)

// targets are the flags that name receivers, each repeatable. Names are
// arbitrary, so no character could separate several in one flag.
type targets struct {
	Client []string `sep:"none" placeholder:"ID" help:"Client id. Repeatable."`
	UID    []string `name:"uid" sep:"none" placeholder:"UID" help:"All connections of a uid. Repeatable."`
	Group  []string `sep:"none" placeholder:"GROUP" help:"All clients of a group. Repeatable."`
	All    bool     `help:"All clients."`
}

// fields adds the given targets to a body.
func (t *targets) fields(body map[string]any) {
	put(body, "client_ids", t.Client)
	put(body, "uids", t.UID)
	put(body, "groups", t.Group)
	if t.All {
		body["all"] = true
	}
}

// put leaves out lists that were not given: the API distinguishes [] from
// absent.
func put(body map[string]any, name string, list []string) {
	if len(list) > 0 {
		body[name] = list
	}
}

type pushCommand struct {
	connection
	targets
	payload
	ExcludeClient []string `sep:"none" placeholder:"ID" help:"Not to this client. Repeatable."`
	ExcludeUID    []string `name:"exclude-uid" sep:"none" placeholder:"UID" help:"Not to this uid. Repeatable."`
	Wait          bool     `help:"Wait until the message has been written or dropped for every client."`
}

// Run makes the push.
func (c *pushCommand) Run(p *process.Process) error {
	to, exclude := map[string]any{}, map[string]any{}
	c.targets.fields(to)
	body := map[string]any{"to": to}
	put(exclude, "client_ids", c.ExcludeClient)
	put(exclude, "uids", c.ExcludeUID)
	if len(exclude) > 0 {
		body["exclude"] = exclude
	}
	if c.Wait {
		body["wait"] = "written"
	}
	if len(to) == 0 {
		return process.Failf(process.ExitUsage, "push: give --client, --uid, --group or --all")
	}
	if err := c.payload.fields(p, body); err != nil {
		return err
	}
	return c.call(p, http.MethodPost, "/v1/push", body)
}

type bindCommand struct {
	connection
	Client  string   `required:"" placeholder:"ID" help:"Client id."`
	UID     string   `name:"uid" required:"" placeholder:"UID" help:"Uid to bind the client to."`
	Group   []string `sep:"none" placeholder:"GROUP" help:"Group to join too. Repeatable."`
	KickOld bool     `help:"Close the uid's other connections with 4001."`
}

// Run makes the bind.
func (c *bindCommand) Run(p *process.Process) error {
	body := map[string]any{"client_id": c.Client, "uid": c.UID}
	put(body, "groups", c.Group)
	if c.KickOld {
		body["exclusive"] = "kick_old"
	}
	return c.call(p, http.MethodPost, "/v1/bind", body)
}

type unbindCommand struct {
	connection
	Client string   `placeholder:"ID" help:"Client id."`
	UID    []string `name:"uid" sep:"none" placeholder:"UID" help:"All connections of a uid. Repeatable."`
}

// Run makes the unbind.
func (c *unbindCommand) Run(p *process.Process) error {
	if (c.Client == "") == (len(c.UID) == 0) {
		return process.Failf(process.ExitUsage, "unbind: give either --client or --uid")
	}
	body := map[string]any{}
	put(body, "uids", c.UID)
	if c.Client != "" {
		body["client_id"] = c.Client
	}
	return c.call(p, http.MethodPost, "/v1/unbind", body)
}

// membership are the flags of join and leave.
type membership struct {
	connection
	Client []string `sep:"none" placeholder:"ID" help:"Client id. Repeatable."`
	UID    []string `name:"uid" sep:"none" placeholder:"UID" help:"All connections of a uid. Repeatable."`
	Group  []string `sep:"none" required:"" placeholder:"GROUP" help:"Group. Repeatable."`
}

func (m *membership) change(p *process.Process, path string) error {
	if len(m.Client)+len(m.UID) == 0 {
		return process.Failf(process.ExitUsage, "give --client or --uid")
	}
	body := map[string]any{}
	put(body, "client_ids", m.Client)
	put(body, "uids", m.UID)
	put(body, "groups", m.Group)
	return m.call(p, http.MethodPost, path, body)
}

type joinCommand struct{ membership }

// Run joins the groups.
func (c *joinCommand) Run(p *process.Process) error { return c.change(p, "/v1/join") }

type leaveCommand struct{ membership }

// Run leaves the groups.
func (c *leaveCommand) Run(p *process.Process) error { return c.change(p, "/v1/leave") }

type ungroupCommand struct {
	connection
	Group []string `sep:"none" required:"" placeholder:"GROUP" help:"Group. Repeatable."`
}

// Run empties the groups.
func (c *ungroupCommand) Run(p *process.Process) error {
	return c.call(p, http.MethodPost, "/v1/ungroup", map[string]any{"groups": c.Group})
}

type kickCommand struct {
	connection
	targets
	Code   int    `placeholder:"N" help:"Close code, 1000 or 3000 to 4999; default: 1000."`
	Reason string `placeholder:"TEXT" help:"Reason in the close frame."`
	Text   string `placeholder:"TEXT" help:"Text message sent before the close; - reads it from stdin."`

	ExcludeClient []string `sep:"none" placeholder:"ID" help:"Not this client. Repeatable."`
	ExcludeUID    []string `name:"exclude-uid" sep:"none" placeholder:"UID" help:"Not this uid. Repeatable."`
}

// Run makes the kick.
func (c *kickCommand) Run(p *process.Process) error {
	body := map[string]any{}
	c.targets.fields(body)
	if len(body) == 0 {
		return process.Failf(process.ExitUsage, "kick: give --client, --uid, --group or --all")
	}
	exclude := map[string]any{}
	put(exclude, "client_ids", c.ExcludeClient)
	put(exclude, "uids", c.ExcludeUID)
	if len(exclude) > 0 {
		body["exclude"] = exclude
	}
	if c.Code != 0 {
		body["code"] = c.Code
	}
	if c.Reason != "" {
		body["reason"] = c.Reason
	}
	if c.Text != "" {
		text, err := argument(p, c.Text)
		if err != nil {
			return err
		}
		if !utf8.Valid(text) {
			return process.Failf(process.ExitUsage, "--text: not UTF-8")
		}
		body["text"] = string(text)
	}
	return c.call(p, http.MethodPost, "/v1/kick", body)
}

type reloadCommand struct{ connection }

// Run requests the reload.
func (c *reloadCommand) Run(p *process.Process) error {
	return c.call(p, http.MethodPost, "/v1/reload", nil)
}

type sessionFlags struct {
	connection
	ID     string `arg:"" optional:"" name:"client-id" help:"Client id, unless --client gives it."`
	JSON   string `arg:"" optional:"" name:"json" help:"A JSON object; - reads it from stdin."`
	Client string `placeholder:"ID" help:"Client id."`
}

func (c *sessionFlags) write(p *process.Process, method string) error {
	id, value, more := c.ID, c.JSON, ""
	if c.Client != "" {
		id, value, more = c.Client, c.ID, c.JSON
	}
	if id == "" || value == "" || more != "" {
		return process.Failf(process.ExitUsage, "session: give one client id and a JSON object")
	}
	text, err := argument(p, value)
	if err != nil {
		return err
	}
	object, err := jsonObject(text)
	if err != nil {
		return process.Failf(process.ExitUsage, "session: %w", err)
	}
	return c.call(p, method, "/v1/clients/"+url.PathEscape(id)+"/session", object)
}

type sessionPutCommand struct{ sessionFlags }

// Run replaces the session.
func (c *sessionPutCommand) Run(p *process.Process) error { return c.write(p, http.MethodPut) }

type sessionPatchCommand struct{ sessionFlags }

// Run merges into the session.
func (c *sessionPatchCommand) Run(p *process.Process) error { return c.write(p, http.MethodPatch) }
