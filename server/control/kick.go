package control

import (
	"strconv"

	"castgate/server"
)

type kickBody struct {
	ClientIDs []string `json:"client_ids"`
	UIDs      []string `json:"uids"`
	Groups    []string `json:"groups"`
	All       bool     `json:"all"`
	Code      uint16   `json:"code"`
	Reason    string   `json:"reason"`
	Text      string   `json:"text"`
}

func kick(c *call) error {
	b, err := input[kickBody](c)
	if err != nil {
		return err
	}
	to, err := (&targetsBody{b.ClientIDs, b.UIDs, b.Groups, b.All}).targets()
	if err != nil {
		return err
	}
	n, err := c.gateway.Kick(c.ctx, server.Kick{To: to, Code: b.Code, Reason: b.Reason, Text: b.Text})
	if err != nil {
		return err
	}
	c.out = append(strconv.AppendInt(append(c.out, `{"kicked":`...), int64(n), 10), '}')
	return nil
}
