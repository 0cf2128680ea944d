package control

import (
	"context"
	"strconv"

	"castgate/server"
)

type membershipBody struct {
	ClientIDs []string `json:"client_ids"`
	UIDs      []string `json:"uids"`
	Groups    []string `json:"groups"`
}

func join(c *call) error  { return changeMembership(c, c.gateway.Join) }
func leave(c *call) error { return changeMembership(c, c.gateway.Leave) }

func changeMembership(c *call, change func(context.Context, server.Membership) (server.MembershipResult, error)) error {
	b, err := input[membershipBody](c)
	if err != nil {
		return err
	}
	if err := checkLists(b.ClientIDs, b.UIDs, b.Groups); err != nil {
		return err
	}
	if len(b.Groups) == 0 {
		return badRequest("missing_field", "groups is missing or empty")
	}
	r, err := change(c.ctx, server.Membership{ClientIDs: b.ClientIDs, UIDs: b.UIDs, Groups: b.Groups})
	if err != nil {
		return err
	}
	c.out = appendChanged(c.out, r.Changed)
	c.out = append(c.out, `,"unknown_client_ids":[`...)
	for i, id := range r.UnknownClientIDs {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.out = appendString(c.out, id)
	}
	c.out = append(c.out, "]}"...)
	return nil
}

type ungroupBody struct {
	Groups []string `json:"groups"`
}

func ungroup(c *call) error {
	b, err := input[ungroupBody](c)
	if err != nil {
		return err
	}
	if err := checkLists(b.Groups); err != nil {
		return err
	}
	if len(b.Groups) == 0 {
		return badRequest("missing_field", "groups is missing or empty")
	}
	n, err := c.gateway.Ungroup(c.ctx, b.Groups)
	if err != nil {
		return err
	}
	c.out = append(appendChanged(c.out, n), '}')
	return nil
}

func appendChanged(dst []byte, n int) []byte {
	return strconv.AppendInt(append(dst, `{"changed":`...), int64(n), 10)
}
