package loadtest

import (
	"os"
	"testing"

	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/swarm"
)

// The process is found, measured and named, without its id.
func TestRunFindsServer(t *testing.T) {
	g := gatewaytest.New(t, false)
	r, err := Run(t.Context(), "connect", Plan{PID: FindPID, Swarm: swarm.Config{URLs: []string{g.URL}, Connections: 2}})
	if err != nil || r.Server == nil || r.Server.PID != os.Getpid() || r.Server.Name == "" {
		t.Errorf("%v, %+v", err, r)
	}
}
