package message

import "castgate/server/gateway"

// Slow tells whether a request may wait for clients, for other nodes or for a long
// listing, so that others must not wait for it.
func (q *Request) Slow() bool {
	switch q.Verb {
	case VerbPush:
		return q.Wait
	case VerbBind:
		return q.KickOld
	case VerbClient, VerbClients, VerbUIDs, VerbGroups, VerbStats, VerbExplain:
		return true
	}
	return false
}

// Requests are the bodies of several requests to one node, in their order.
type Requests [][]byte

// Append appends the body.
func (l Requests) Append(dst []byte) []byte {
	w := Writer{dst}
	w.Uint(uint64(len(l)))
	for _, body := range l {
		w.Bytes(body)
	}
	return w.B
}

// DecodeRequests reads the body of Requests; its elements are parts of it.
func DecodeRequests(body []byte) (l Requests, err error) {
	r := Read(body)
	for range r.list(1) {
		l = append(l, r.Bytes())
	}
	return l, r.Done()
}

// Push is the argument of gateway.Gateway.Push.
func (q *Request) Push() gateway.Push {
	return gateway.Push{To: q.To, ExcludeClientIDs: q.ExcludeClientIDs, ExcludeUIDs: q.ExcludeUIDs,
		Payload: q.Payload, Binary: q.Binary, Wait: q.Wait}
}

// Kick is the argument of gateway.Gateway.Kick.
func (q *Request) Kick() gateway.Kick {
	return gateway.Kick{To: q.To, ExcludeClientIDs: q.ExcludeClientIDs, ExcludeUIDs: q.ExcludeUIDs,
		Code: q.Code, Reason: q.Reason, Text: q.Text}
}

// Membership is the argument of gateway.Gateway.Join and Leave.
func (q *Request) Membership() gateway.Membership {
	return gateway.Membership{ClientIDs: q.To.ClientIDs, UIDs: q.To.UIDs, Groups: q.To.Groups}
}

// Bind is the argument of gateway.Gateway.Bind.
func (q *Request) Bind() gateway.Bind {
	return gateway.Bind{ClientID: q.ClientID, UID: q.UID, Groups: q.To.Groups, KickOld: q.KickOld}
}
