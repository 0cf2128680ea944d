package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"castgate/loadtest"
)

// The cost scenario: what TLS and compression cost, beside the plain server and
// the plain floor.

// costLarge is a message in bytes that is worth compressing, beside those of
// Options.Size. It is JSON of prices, the same for all.
const costLarge = 1024

// costSessions is how many TLS sessions a swarm keeps: it has one server.
const costSessions = 1

// costVariants are as what a server is measured, in this order. "" is as it is.
var costVariants = map[string][]string{
	Castgate: {"", CastgateDeflate, CastgateWSS, CastgateWSSDeflate},
	Floor:    {""},
	Gorilla:  {"", GorillaWSS},
}

// costPlays measures memory, connects and messages, each on a fresh process.
func costPlays(server string) (plays []play) {
	for _, as := range costVariants[server] {
		plays = append(plays, play{as, (*bench).costMemory}, play{as, (*bench).costConnect}, play{as, (*bench).costMessages})
	}
	return plays
}

// costTakes is how long one of these plays lasts in the mean.
func costTakes(b *bench) time.Duration {
	all := 3 * b.Idle                                                    // memory
	all += 4 * connecting(b.IdleClients)                                 // and connects, with TLS twice the time
	all += connecting(b.Clients) + time.Duration(4)*(b.Warmup+b.Measure) // messages
	return all / 3
}

func (b *bench) costMemory(ctx context.Context, s *server, round *samples) error {
	return b.memory(ctx, s, "cost, memory", false, round)
}

// costConnect has the clients come twice: the first time all TLS handshakes
// are full ones, the second time all go on with a session, as browsers that
// come back do. Without TLS both times are the same.
func (b *bench) costConnect(ctx context.Context, s *server, round *samples) error {
	if err := b.connect(ctx, s, "cost, connect", round); err != nil {
		return err
	}
	if err := b.pause(ctx); err != nil {
		return err
	}
	config := b.swarmOf(s, b.IdleClients, nil)
	if config.TLS != nil {
		config.TLS = config.TLS.Clone()
		config.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(costSessions)
	}
	return b.connectAs(ctx, s, config, "cost, connect again", round)
}

// costMessages pushes small messages and large ones. Small ones are below what
// castgate compresses: where that is all that differs they are left out.
func (b *bench) costMessages(ctx context.Context, s *server, round *samples) error {
	config := b.swarmOf(s, b.Clients, make([]loadtest.Kind, fanoutDepth))
	config.Padding = loadtest.Prices
	swarm, err := loadtest.Open(ctx, config)
	if err != nil {
		return err
	}
	defer swarm.Close()
	sizes := []int{b.Size, costLarge}
	if config.Compress || b.Size == costLarge {
		sizes = sizes[1:]
	}
	for _, size := range sizes {
		for _, p := range b.loads(s, swarm, fmt.Sprintf("cost, %d B,", size), size) {
			before := swarm.Report()
			if err := b.carry(ctx, s, swarm, p, round); err != nil {
				return err
			}
			// Of the warm-up too, which is no other.
			after := swarm.Report()
			if n := after.Received - before.Received; n > 0 {
				round.rate(p.name, "bytes a message on the wire", s.name, "B", float64(after.Bytes-before.Bytes)/float64(n))
			}
		}
	}
	report := swarm.Report()
	if config.Compress && report.Deflated < report.Received {
		return fmt.Errorf("%d of %d messages came compressed", report.Deflated, report.Received)
	}
	if config.TLS != nil && report.TLSHandshakes == 0 {
		return errors.New("no TLS")
	}
	return report.Err()
}
