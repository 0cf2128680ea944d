package bench

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"

	"castgate/bench/gateway"
	"castgate/loadtest/control"
	"castgate/loadtest/payload"
	"castgate/loadtest/swarm"
)

// PHP is the baseline for the inner port: reference/gateway.php, the minimum
// that a gateway in PHP does for sendToUid.
const PHP = "php"

const cmdBindUID = 12

// besidePHP measures sendToUid over the inner port of the reference, in the
// same round as a server, and adds that server's ratios to it.
func (b commandScenario) besidePHP(ctx context.Context, server string, round *samples) {
	program, err := exec.LookPath("php")
	if err != nil {
		b.skip("%s: %v", PHP, err)
		return
	}
	name := "gatewayworker, " + verbs[0].name + " over the inner port"
	if err := b.phpUnicasts(ctx, program, name, round); err != nil {
		b.fault("gatewayworker", PHP, err)
		return
	}
	for _, figure := range []string{"commands a second", "CPU a command"} {
		round.addAgainst(name, figure, server, PHP)
	}
}

// startPHP runs the reference and returns it with the address of its inner
// port.
func (b commandScenario) startPHP(ctx context.Context, program string) (s *server, inner string, err error) {
	ports, err := gateway.FreeAddrs(3)
	if err != nil {
		return nil, "", err
	}
	script := filepath.Join(b.Root, "bench", "reference", "gateway.php")
	s, err = (&server{
		name: PHP, url: "ws://" + ports[0] + "/", control: control.New(ports[2], "", 1), controlAddr: ports[2],
		candidate: &candidate{name: PHP}, output: &tail{}, exited: make(chan struct{}),
		cmd: exec.Command(program, append([]string{"-d", "opcache.enable_cli=1", script}, ports...)...),
	}).launch(ctx)
	return s, ports[1], err
}

func (b commandScenario) phpUnicasts(ctx context.Context, program, name string, round *samples) error {
	s, inner, err := b.startPHP(ctx, program)
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	// stream_select only supports descriptors below 1,024.
	clients := min(innerClients*9/10, b.Clients)
	crowd, err := swarm.Open(ctx, b.swarmOf(s, clients, slices.Repeat([]payload.Kind{payload.Unicast}, innerCallers)))
	if err != nil {
		return err
	}
	defer crowd.Close()
	var all []*backend
	for i := range innerCallers {
		p := &backend{verb: verbs[0], number: i, targets: clients, size: b.Size, stream: crowd.Stream(i)}
		if p.inner, err = newInnerCaller(inner); err != nil {
			return err
		}
		all = append(all, p)
	}
	for _, binding := range crowd.Bindings(1) {
		if err := all[0].inner.bind(binding.ClientID, binding.UID); err != nil {
			return err
		}
	}
	if err := b.pause(ctx); err != nil {
		return err
	}
	return b.commands(ctx, s, crowd, name, all, (*backend).overInner, 0, round)
}

// bind sends BIND_UID. The last eight digits of a client id are the connection's.
func (c *innerCaller) bind(clientID, uid string) error {
	id, err := hex.DecodeString(clientID)
	if err != nil || len(id) != 10 {
		return fmt.Errorf("client id %q", clientID)
	}
	c.connection = binary.BigEndian.Uint32(id[6:])
	defer func() { c.connection = 0 }()
	return c.call(cmdBindUID, []byte(uid), nil)
}
