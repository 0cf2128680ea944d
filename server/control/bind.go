package control

import (
	"strconv"

	"castgate/server"
)

type bindBody struct {
	ClientID  string   `json:"client_id"`
	UID       string   `json:"uid"`
	Groups    []string `json:"groups"`
	Exclusive *string  `json:"exclusive"`
}

func bind(c *call) error {
	b, err := input[bindBody](c)
	if err != nil {
		return err
	}
	if err := firstOf(required("client_id", b.ClientID), required("uid", b.UID), checkLists(b.Groups)); err != nil {
		return err
	}
	if b.Exclusive != nil && *b.Exclusive != "kick_old" {
		return badRequest("invalid_value", "exclusive can be kick_old only")
	}
	r, err := c.gateway.Bind(c.ctx, server.Bind{ClientID: b.ClientID, UID: b.UID, Groups: b.Groups, KickOld: b.Exclusive != nil})
	if err != nil {
		return err
	}
	c.out = appendPrevious(append(c.out, '{'), r.PreviousUID)
	c.out = append(c.out, `,"kicked":`...)
	c.out = append(strconv.AppendInt(c.out, int64(r.Kicked), 10), '}')
	return nil
}

type unbindBody struct {
	ClientID string `json:"client_id"`
}

func unbind(c *call) error {
	b, err := input[unbindBody](c)
	if err != nil {
		return err
	}
	if err := required("client_id", b.ClientID); err != nil {
		return err
	}
	r, err := c.gateway.Unbind(c.ctx, b.ClientID)
	if err != nil {
		return err
	}
	c.out = append(appendPrevious(append(c.out, '{'), r.PreviousUID), '}')
	return nil
}

func appendPrevious(dst []byte, uid string) []byte {
	dst = append(dst, `"previous_uid":`...)
	if uid == "" {
		return append(dst, "null"...)
	}
	return appendString(dst, uid)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
