// Command usage speaks to a gateway by a client that was generated from its
// OpenAPI document: usage URL KEY CLIENT-ID. It ends with 1 and says why if an
// answer is not what it should be.
package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"castgate/e2e/openapi/api"
)

func main() {
	log.SetFlags(log.Lshortfile)
	ctx, id := context.Background(), os.Args[3]
	c, err := api.NewClientWithResponses(os.Args[1], api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+os.Args[2])
		return nil
	}))
	must(err == nil, err)
	bound, err := c.BindWithResponse(ctx, api.Bind{ClientId: id, Uid: "ann", Groups: &[]api.Name{"red"}})
	must(err == nil && bound.JSON200 != nil && bound.JSON200.PreviousUid == nil, "bind", err)
	text := "hello"
	for matched, to := range []api.Targets{{Uids: &[]api.Name{}}, {Uids: &[]api.Name{"ann"}}} {
		pushed, err := c.PushWithResponse(ctx, api.Push{To: to, Text: &text})
		must(err == nil && pushed.JSON200 != nil && pushed.JSON200.Matched == matched, "push", matched, err)
	}
	session, err := c.PutSessionWithResponse(ctx, id, api.Session{"seats": []any{nil}})
	must(err == nil && session.JSON200 != nil, "session", err)
	got, err := c.GetClientWithResponse(ctx, id)
	must(err == nil && got.JSON200 != nil && got.JSON200.Session != nil && len(*got.JSON200.Session) == 1, "client", err)
	listed, err := c.ListClients(ctx, nil, func(_ context.Context, r *http.Request) error {
		r.Header.Set("Accept", "application/x-ndjson")
		return nil
	})
	must(err == nil, "list", err)
	lines, err := io.ReadAll(listed.Body)
	must(err == nil && strings.Count(string(lines), "\n") == 1, "lines", string(lines), err)
	var join, wrong api.Command
	must(join.FromJoinCommand(api.JoinCommand{Uids: &[]api.Name{"ann"}, Groups: []api.Name{"blue"}}) == nil, "command")
	must(wrong.FromUnbindCommand(api.UnbindCommand{ClientId: new(api.ClientID)}) == nil, "command")
	batch, err := c.BatchWithResponse(ctx, api.Batch{Commands: []api.Command{join, wrong}})
	must(err == nil && batch.JSON200 != nil && len(batch.JSON200.Replies) == 2, "batch", err)
	replies := batch.JSON200.Replies
	must(replies[0].Status == 200 && replies[0].Body != nil, "first reply", replies[0])
	must(replies[1].Problem != nil && replies[1].Problem.Code == "unknown_client", "second reply", replies[1])
	refused, err := c.PushWithResponse(ctx, api.Push{Text: &text})
	must(err == nil && refused.ApplicationproblemJSON400 != nil && refused.ApplicationproblemJSON400.Code == "no_target", "refused", err)
}

func must(ok bool, what ...any) {
	if !ok {
		log.Fatalln(what...)
	}
}
