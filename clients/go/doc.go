// Package castgate calls the control API of a castgate gateway: it binds clients to
// uids, joins them to groups, pushes messages to them, and verifies the events that
// the gateway posts.
//
//	gateway, err := castgate.New("127.0.0.1:7273", castgate.Options{Key: key})
//	...
//	_, err = gateway.Bind(ctx, clientID, "42", "news")
//	pushed, err := gateway.Push(ctx, castgate.Targets{UIDs: []string{"42"}}, castgate.Text("hello"))
//
// A [Client] keeps its connections, repeats what may be repeated (see
// [Options.Retries]) and returns every failure as an [*Error]. It needs nothing but
// the standard library.
package castgate
