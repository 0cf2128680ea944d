package control

import (
	"strconv"

	"castgate/server/gateway"
)

// answering is a request with the answer that it gets.
type answering struct {
	timed
	out     []byte
	lacking *gateway.Incomplete // what the answer of a verb lacks, see whole
}

// answer sends what was appended to out.
func (a *answering) answer(contentType string) {
	resp := &a.http.Response
	resp.Header.SetContentType(contentType)
	if len(a.out) > keepAnswer {
		// fasthttp would keep a copy as long as the connection lives.
		resp.SetBodyRaw(a.out)
		return
	}
	resp.SetBody(a.out)
}

// whole takes from the error of a verb that its answer lacks nodes; end tells the
// caller. All other errors stay.
func (a *answering) whole(err error) error {
	a.lacking = nil
	hole, ok := err.(*gateway.Incomplete)
	if !ok {
		return err
	}
	a.lacking = hole
	return nil
}

// end ends the object of an answer. In a cluster it says whether all nodes are in it.
func (a *answering) end() {
	if a.server.cluster == nil {
		a.out = append(a.out, '}')
		return
	}
	if a.lacking == nil {
		a.out = append(a.out, `,"complete":true}`...)
		return
	}
	a.out = append(a.out, `,"complete":false,"unreachable":[`...)
	for i, node := range a.lacking.Unreachable {
		if i > 0 {
			a.out = append(a.out, ',')
		}
		a.out = strconv.AppendUint(a.out, uint64(node), 10)
	}
	a.out = append(a.out, "]}"...)
}
