// Package verbs has the commands that are verbs of the control API.
package verbs

import (
	"net/http"
	"net/url"
	"unicode/utf8"

	"castgate/cmd/castgate/internal/client"
	"castgate/cmd/castgate/internal/process"
)

// Sends is the grammar of the verbs that come first in the help.
type Sends struct {
	Push    pushCommand    `cmd:"" group:"verbs" help:"Send one message to clients, uids, groups or all."`
	Bind    bindCommand    `cmd:"" group:"verbs" help:"Make a client one of a uid's connections."`
	Unbind  unbindCommand  `cmd:"" group:"verbs" help:"Unbind a client from its uid."`
	Join    joinCommand    `cmd:"" group:"verbs" help:"Add clients to groups."`
	Leave   leaveCommand   `cmd:"" group:"verbs" help:"Remove clients from groups."`
	Ungroup ungroupCommand `cmd:"" group:"verbs" help:"Empty groups."`
	Kick    kickCommand    `cmd:"" group:"verbs" help:"Close clients."`
	Online  onlineCommand  `cmd:"" group:"verbs" help:"Show which clients and uids are connected."`
	Counts  countsCommand  `cmd:"" group:"verbs" help:"Count the clients of groups and uids."`
	Stats   statsCommand   `cmd:"" group:"verbs" help:"Print the gateway's counters."`
}

// Queries is the grammar of the others.
type Queries struct {
	Nodes   nodesCommand   `cmd:"" group:"verbs" help:"List the nodes of the cluster."`
	Client  clientCommand  `cmd:"" group:"verbs" help:"Print everything known about one client."`
	Explain explainCommand `cmd:"" group:"verbs" help:"Tell why a uid's clients, or one client, were closed, and what did not arrive."`
	Clients clientsCommand `cmd:"" group:"verbs" help:"List clients."`
	Uids    uidsCommand    `cmd:"" group:"verbs" help:"List uids in use."`
	Groups  groupsCommand  `cmd:"" group:"verbs" help:"List groups in use."`
	Session struct {
		Put   sessionPutCommand   `cmd:"" help:"Replace a client's session by a JSON object."`
		Patch sessionPatchCommand `cmd:"" help:"Merge a JSON object into a client's session (RFC 7396)."`
	} `cmd:"" group:"verbs" help:"Write a client's session."`
	Batch  batchCommand  `cmd:"" group:"verbs" help:"Run commands from stdin, one JSON object per line."`
	Reload reloadCommand `cmd:"" group:"verbs" help:"Reload the gateway's configuration and apply what needs no restart."`
}

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
	client.Connection
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
	return c.Call(p, http.MethodPost, "/v1/push", body)
}

type bindCommand struct {
	client.Connection
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
	return c.Call(p, http.MethodPost, "/v1/bind", body)
}

type unbindCommand struct {
	client.Connection
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
	return c.Call(p, http.MethodPost, "/v1/unbind", body)
}

// membership are the flags of join and leave.
type membership struct {
	client.Connection
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
	return m.Call(p, http.MethodPost, path, body)
}

type joinCommand struct{ membership }

// Run joins the groups.
func (c *joinCommand) Run(p *process.Process) error { return c.change(p, "/v1/join") }

type leaveCommand struct{ membership }

// Run leaves the groups.
func (c *leaveCommand) Run(p *process.Process) error { return c.change(p, "/v1/leave") }

type ungroupCommand struct {
	client.Connection
	Group []string `sep:"none" required:"" placeholder:"GROUP" help:"Group. Repeatable."`
}

// Run empties the groups.
func (c *ungroupCommand) Run(p *process.Process) error {
	return c.Call(p, http.MethodPost, "/v1/ungroup", map[string]any{"groups": c.Group})
}

type kickCommand struct {
	client.Connection
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
	return c.Call(p, http.MethodPost, "/v1/kick", body)
}

type reloadCommand struct{ client.Connection }

// Run requests the reload.
func (c *reloadCommand) Run(p *process.Process) error {
	return c.Call(p, http.MethodPost, "/v1/reload", nil)
}

type sessionFlags struct {
	client.Connection
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
	return c.Call(p, method, "/v1/clients/"+url.PathEscape(id)+"/session", object)
}

type sessionPutCommand struct{ sessionFlags }

// Run replaces the session.
func (c *sessionPutCommand) Run(p *process.Process) error { return c.write(p, http.MethodPut) }

type sessionPatchCommand struct{ sessionFlags }

// Run merges into the session.
func (c *sessionPatchCommand) Run(p *process.Process) error { return c.write(p, http.MethodPatch) }
