package control

import (
	"context"
)

// Pusher passes one payload to the server: for everybody, or for the connection
// with this index. It returns once the server has answered.
type Pusher func(ctx context.Context, target int, payload []byte) (PushResult, error)
