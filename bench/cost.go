package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"castgate/loadtest/payload"
)

// The cost scenario: what TLS and compression cost, compared with the plain server and
// the plain floor.

// costLarge is the size in bytes of a message that is worth compressing, in
// addition to Options.Size. It is JSON of prices, the same for all servers.
const costLarge = 1024

// costSessions is how many TLS sessions a swarm keeps; it has one server.
const costSessions = 1

// costVariants are the variants of each server, in this order. "" is the server
// itself.
var costVariants = map[string][]string{
	Castgate: {"", CastgateDeflate, CastgateWSS, CastgateWSSDeflate},
	Floor:    {""},
	Gorilla:  {"", GorillaWSS},
}

// costPlays measures memory, connects and messages, each in a fresh process.
func costPlays(server string) (plays []play) {
	for _, as := range costVariants[server] {
		plays = append(plays, play{as, (*bench).costMemory}, play{as, (*bench).costConnect}, play{as, (*bench).costMessages})
	}
	return plays
}

// costTakes is the mean duration of one of these plays.
func costTakes(b *bench) time.Duration {
	all := 3 * b.Idle                                                    // memory
	all += 4 * connecting(b.IdleClients)                                 // connects; TLS doubles the time
	all += connecting(b.Clients) + time.Duration(4)*(b.Warmup+b.Measure) // messages
	return all / 3
}

func (b *bench) costMemory(ctx context.Context, s *server, round *samples) error {
	return memoryScenario{b}.measure(ctx, s, "cost, memory", false, round)
}

// costConnect makes the clients connect twice: the first time all TLS
// handshakes are full ones, the second time all are resumed, as with browsers
// that come back. Without TLS both times are the same.
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

// costMessages pushes small and large messages. castgate does not compress
// small ones: where compression is the only difference they are left out.
func (b *bench) costMessages(ctx context.Context, s *server, round *samples) error {
	config := b.swarmOf(s, b.Clients, make([]payload.Kind, fanoutDepth))
	config.Padding = payload.Prices
	crowd, err := b.audience(ctx, s, config)
	if err != nil {
		return err
	}
	defer crowd.Close()
	sizes := []int{b.Size, costLarge}
	if config.Compress || b.Size == costLarge {
		sizes = sizes[1:]
	}
	for _, size := range sizes {
		for _, p := range b.loads(s, crowd, fmt.Sprintf("cost, %d B,", size), size) {
			before := crowd.Report()
			if err := b.carry(ctx, s, crowd, p, round); err != nil {
				return err
			}
			// This includes the warm-up, which sends the same.
			after := crowd.Report()
			if n := after.Received - before.Received; n > 0 {
				round.rate(p.name, "bytes a message on the wire", s.name, "B", float64(after.Bytes-before.Bytes)/float64(n))
			}
		}
	}
	report := crowd.Report()
	if config.Compress && report.Deflated < report.Received {
		return fmt.Errorf("%d of %d messages were compressed", report.Deflated, report.Received)
	}
	if config.TLS != nil && report.TLSHandshakes == 0 {
		return errors.New("no TLS")
	}
	return report.Err()
}
