package castgate

import (
	"context"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// PushRaw is Push with the message as the body of the request: nothing is encoded,
// so it costs less for large messages.
func (c *Client) PushRaw(ctx context.Context, to Targets, m Message, options ...PushOption) (answer PushAnswer, err error) {
	if !m.binary && !utf8.Valid(m.raw) {
		return answer, &Error{Code: CodeInvalidUtf8, Detail: "a text message must be UTF-8"}
	}
	if failed, ok := m.value.(unencodable); ok {
		return answer, &Error{Code: CodeInvalidValue, Detail: failed.err.Error(), Err: failed.err}
	}
	q := url.Values{"client_id": to.ClientIDs, "uid": to.UIDs, "group": to.Groups}
	if to.All {
		q.Set("all", "1")
	}
	if m.binary {
		q.Set("binary", "1")
	}
	given := newCommand("push")
	for _, option := range options {
		option(given)
	}
	if x, ok := given.body["exclude"].(Exclude); ok {
		q["exclude_client_id"], q["exclude_uid"] = x.ClientIDs, x.UIDs
	}
	if given.body["wait"] != nil {
		q.Set("wait", "written")
	}
	what := call{method: http.MethodPost, path: "/v1/push/raw?" + q.Encode(), contentType: "application/octet-stream", body: m.raw}
	if what.body == nil {
		what.body = []byte{}
	}
	err = c.do(ctx, what, &answer)
	return answer, err
}
