package verbs

import (
	"net/http"
	"net/url"
	"strconv"

	"castgate/cmd/castgate/internal/client"
	"castgate/cmd/castgate/internal/process"
)

type onlineCommand struct {
	client.Connection
	Client []string `sep:"none" placeholder:"ID" help:"Client id. Repeatable."`
	UID    []string `name:"uid" sep:"none" placeholder:"UID" help:"Uid. Repeatable."`
}

// Run shows who is connected.
func (c *onlineCommand) Run(p *process.Process) error {
	body := map[string]any{}
	put(body, "client_ids", c.Client)
	put(body, "uids", c.UID)
	if len(body) == 0 {
		return process.Failf(process.ExitUsage, "online: give --client or --uid")
	}
	return c.Call(p, http.MethodPost, "/v1/online", body)
}

type countsCommand struct {
	client.Connection
	Group []string `sep:"none" placeholder:"GROUP" help:"Group. Repeatable."`
	UID   []string `name:"uid" sep:"none" placeholder:"UID" help:"Uid. Repeatable."`
}

// Run counts the clients of groups and uids.
func (c *countsCommand) Run(p *process.Process) error {
	body := map[string]any{}
	put(body, "groups", c.Group)
	put(body, "uids", c.UID)
	if len(body) == 0 {
		return process.Failf(process.ExitUsage, "counts: give --group or --uid")
	}
	return c.Call(p, http.MethodPost, "/v1/counts", body)
}

type statsCommand struct {
	client.Connection
	Cluster bool `help:"Sum the counters of all nodes of the cluster."`
}

// Run prints the counters.
func (c *statsCommand) Run(p *process.Process) error {
	path := "/v1/stats"
	if c.Cluster {
		path += "?cluster=1"
	}
	return c.Call(p, http.MethodGet, path, nil)
}

type nodesCommand struct{ client.Connection }

// Run prints what the node knows of the nodes of its cluster.
func (c *nodesCommand) Run(p *process.Process) error {
	return c.Call(p, http.MethodGet, "/v1/nodes", nil)
}

type explainCommand struct {
	client.Connection
	Client string `placeholder:"ID" help:"A client, which may be gone."`
	UID    string `name:"uid" placeholder:"UID" help:"All clients of a uid."`
}

// Run prints why clients were closed and what did not arrive.
func (c *explainCommand) Run(p *process.Process) error {
	if (c.Client == "") == (c.UID == "") {
		return process.Failf(process.ExitUsage, "explain: give either --client or --uid")
	}
	q := url.Values{"client_id": {c.Client}}
	if c.UID != "" {
		q = url.Values{"uid": {c.UID}}
	}
	return c.Call(p, http.MethodGet, "/v1/explain?"+q.Encode(), nil)
}

type clientCommand struct {
	client.Connection
	ID     string `arg:"" optional:"" name:"client-id" help:"Client id."`
	Client string `placeholder:"ID" help:"The same."`
}

// Run prints one client.
func (c *clientCommand) Run(p *process.Process) error {
	if (c.ID == "") == (c.Client == "") {
		return process.Failf(process.ExitUsage, "client: give one client id")
	}
	return c.Call(p, http.MethodGet, "/v1/clients/"+url.PathEscape(c.ID+c.Client), nil)
}

// page are the flags of a listing.
type page struct {
	client.Connection
	Limit  int    `placeholder:"N" help:"Number of rows on the page."`
	Cursor string `placeholder:"CURSOR" help:"next_cursor of the previous page."`
	Ndjson bool   `help:"Print all rows, one JSON object per line, instead of one page."`
}

// list prints a page, or everything as NDJSON, of the listing at path.
func (l *page) list(p *process.Process, path string, narrow url.Values) error {
	if l.Limit != 0 {
		narrow.Set("limit", strconv.Itoa(l.Limit))
	}
	if l.Cursor != "" {
		narrow.Set("cursor", l.Cursor)
	}
	if len(narrow) > 0 {
		path += "?" + narrow.Encode()
	}
	if l.Ndjson {
		return l.Stream(p, client.Request{Method: http.MethodGet, Path: path, Accept: ndjson})
	}
	return l.Call(p, http.MethodGet, path, nil)
}

// narrowed is the query of a listing with the given parameters.
func narrowed(uid, group string) url.Values {
	q := url.Values{}
	if uid != "" {
		q.Set("uid", uid)
	}
	if group != "" {
		q.Set("group", group)
	}
	return q
}

type clientsCommand struct {
	page
	UID   string `name:"uid" placeholder:"UID" help:"Only connections of this uid."`
	Group string `placeholder:"GROUP" help:"Only clients of this group."`
}

// Run lists clients.
func (c *clientsCommand) Run(p *process.Process) error {
	return c.list(p, "/v1/clients", narrowed(c.UID, c.Group))
}

type uidsCommand struct {
	page
	Group string `placeholder:"GROUP" help:"Only uids with a client in this group."`
}

// Run lists uids.
func (c *uidsCommand) Run(p *process.Process) error {
	return c.list(p, "/v1/uids", narrowed("", c.Group))
}

type groupsCommand struct {
	page
	UID string `name:"uid" placeholder:"UID" help:"Only groups that a connection of this uid is in."`
}

// Run lists groups.
func (c *groupsCommand) Run(p *process.Process) error {
	return c.list(p, "/v1/groups", narrowed(c.UID, ""))
}
