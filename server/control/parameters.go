package control

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
)

// query is what the query of a request says.
type query struct {
	list   gateway.List
	events eventQuery
	// explained is of GET /v1/explain.
	explained gateway.Explain
	// clusterWide is the parameter cluster of GET /v1/stats.
	clusterWide bool
}

// inQuery is a route's reader of parameters that are kept in the query.
func inQuery(read func(q *query, name, value string) error) func(c *call, name, value string) error {
	return func(c *call, name, value string) error { return read(&c.query, name, value) }
}

// parameters reads the query. Names and values are decoded in place in
// fasthttp's copy of the query and are valid as long as the request.
func (c *call) parameters() error {
	query := c.http.URI().QueryString()
	if len(query) == 0 || c.route.lenient {
		return nil
	}
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte{'&'})
		if len(pair) == 0 {
			continue
		}
		rawName, rawValue, _ := bytes.Cut(pair, []byte{'='})
		name, ok := decodeQuery(rawName)
		value, ok2 := decodeQuery(rawValue)
		if !ok || !ok2 {
			return wire.Faultf(codeInvalidParameter, "the query contains a %% that is not part of a percent-encoding")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return wire.Faultf(string(gateway.CodeInvalidName), "the query has a name or value that is not UTF-8")
		}
		if c.route.parameter == nil {
			return unknownParameter(name, "none")
		}
		if err := c.route.parameter(c, name, value); err != nil {
			return err
		}
	}
	return nil
}

// unknownParameter refuses a parameter; takes lists the known ones.
func unknownParameter(name, takes string) error {
	return wire.Faultf(codeUnknownParameter, "unknown parameter %.64q in the query; known parameters: %s", name, takes)
}

// decodeQuery decodes percent-encoding and + in place.
func decodeQuery(b []byte) (string, bool) {
	w := 0
	for r := 0; r < len(b); r++ {
		c := b[r]
		switch c {
		case '+':
			c = ' '
		case '%':
			if r+2 >= len(b) {
				return "", false
			}
			n, err := strconv.ParseUint(unsafe.String(&b[r+1], 2), 16, 8)
			if err != nil {
				return "", false
			}
			c = byte(n)
			r += 2
		}
		b[w] = c
		w++
	}
	return unsafe.String(unsafe.SliceData(b), w), true
}

// rawParameter reads a parameter of /v1/push/raw.
func rawParameter(c *call, name, value string) (err error) {
	m := &c.command
	switch name {
	case "client_id":
		m.To.ClientIDs = append(m.To.ClientIDs, value)
	case "uid":
		m.To.UIDs = append(m.To.UIDs, value)
	case "group":
		m.To.Groups = append(m.To.Groups, value)
	case "exclude_client_id":
		m.ExcludeClientIDs = append(m.ExcludeClientIDs, value)
	case "exclude_uid":
		m.ExcludeUIDs = append(m.ExcludeUIDs, value)
	case "all":
		m.To.All, err = flag(name, value)
	case "binary":
		m.Binary, err = flag(name, value)
	case "wait":
		if m.Wait = value == "written"; !m.Wait {
			err = wire.Faultf(codeInvalidParameter, "wait must be written, not %.64q", value)
		}
	default:
		err = unknownParameter(name, "client_id, uid, group, all, exclude_client_id, exclude_uid, binary, wait")
	}
	return err
}

// flag reads 1 or 0.
func flag(name, value string) (bool, error) {
	if value != "1" && value != "0" {
		return false, wire.Faultf(codeInvalidParameter, "%s must be 1 or 0, not %.64q", name, value)
	}
	return value == "1", nil
}

// readList reads a parameter of a listing. A listing may be written after
// the request's buffers are reused, so these strings are copies.
func (q *query) readList(name, value string) error {
	var to *string
	switch name {
	case "uid":
		to = &q.list.UID
	case "group":
		to = &q.list.Group
	case "cursor":
		to = &q.list.Cursor
	case "limit":
		if q.list.Limit != 0 {
			return wire.Faultf(codeInvalidParameter, "limit must be given once")
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > gateway.MaxPageLen {
			return &gateway.Error{Code: gateway.CodeInvalidLimit, Detail: "limit must be a number from 1 to " + strconv.Itoa(gateway.MaxPageLen)}
		}
		q.list.Limit = n
		return nil
	default:
		return unknownParameter(name, "uid, group, limit, cursor")
	}
	if *to != "" || value == "" && to != &q.list.Cursor {
		return wire.Faultf(codeInvalidParameter, "%s must be given once and not be empty", name)
	}
	*to = strings.Clone(value)
	return nil
}
