package loadtest

import (
	"context"
)

// measureConnect does nothing: everything was measured while the connections
// opened.
func measureConnect(context.Context, *play) error { return nil }

// measureIdle holds the connections.
func measureIdle(ctx context.Context, pl *play) error {
	pl.log("holding for %v", pl.For)
	pause(ctx, pl.For)
	return nil
}
