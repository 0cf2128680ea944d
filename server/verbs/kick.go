package verbs

import (
	"context"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/loop"
	"castgate/server/reason"
)

// maxReasonLen is what fits into a close frame (RFC 6455 section 5.5.1).
const maxReasonLen = 123

// Kick implements Gateway.
func (v *Verbs) Kick(ctx context.Context, k gateway.Kick) (int, error) {
	if err := v.names.checkTargets(&k.To); err != nil {
		return 0, err
	}
	if err := v.names.CheckAll("uid", k.ExcludeUIDs); err != nil {
		return 0, err
	}
	order, err := v.newKickOrder(&k)
	if err != nil {
		return 0, err
	}
	var exclude []table.Handle
	if len(k.ExcludeClientIDs)+len(k.ExcludeUIDs) > 0 {
		if exclude, err = v.handles(ctx, k.ExcludeClientIDs, k.ExcludeUIDs, nil); err != nil {
			return 0, err
		}
	}
	if k.To.All {
		return v.loops.KickAll(order, exclude), nil
	}
	list, err := v.handles(ctx, k.To.ClientIDs, k.To.UIDs, k.To.Groups)
	if err != nil {
		return 0, err
	}
	kicked := 0
	for _, h := range table.Without(list, exclude) {
		kicked += v.loops.KickOne(h, order)
	}
	return kicked, nil
}

// newKickOrder checks and encodes what a Kick does to each client.
func (v *Verbs) newKickOrder(k *gateway.Kick) (*loop.KickOrder, error) {
	code := k.Code
	if code == 0 {
		code = 1000
	}
	switch {
	case code != 1000 && (code < 3000 || code > 4999):
		return nil, &gateway.Error{Code: gateway.CodeInvalidCloseCode, Detail: "a kick's code must be 1000 or 3000 to 4999"}
	case len(k.Reason) > maxReasonLen:
		return nil, &gateway.Error{Code: gateway.CodeInvalidReason, Detail: "a kick's reason is longer than 123 bytes"}
	case !utf8.ValidString(k.Reason) || !utf8.ValidString(k.Text):
		return nil, &gateway.Error{Code: gateway.CodeInvalidUTF8, Detail: "a kick's reason or text is not UTF-8"}
	}
	order := &loop.KickOrder{Close: frames.Control(codec.AppendClose(nil, ws.StatusCode(code), k.Reason)), Why: reason.Kicked}
	if k.Text != "" {
		order.Text = v.loops.Encoder.Message([]byte(k.Text), false)
	}
	return order, nil
}

// Dismiss implements GatewayWorker.
func (v *Verbs) Dismiss(_ context.Context, clientID string, last gateway.Message) (bool, error) {
	if err := checkMessage(&last); err != nil {
		return false, err
	}
	return v.loops.KickOne(v.loops.IDs.Parse(clientID), &loop.KickOrder{
		Text: v.loops.Encoder.Message(last.Payload, last.Binary), Close: frames.Control(codec.AppendClose(nil, 1000, "")), Why: reason.Kicked,
	}) == 1, nil
}

// Abort implements GatewayWorker.
func (v *Verbs) Abort(_ context.Context, clientID string) (bool, error) {
	return v.loops.KickOne(v.loops.IDs.Parse(clientID), &loop.KickOrder{Why: reason.Kicked, Abort: true}) == 1, nil
}
