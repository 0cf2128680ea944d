package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"castgate/bench/gateway"
	"castgate/loadtest/clock"
	"castgate/loadtest/control"
	"castgate/loadtest/latency"
	"castgate/loadtest/payload"
	"castgate/loadtest/swarm"
)

// The gatewayworker scenario: GatewayClient's commands over the inner port, one
// connection each, compared with the same commands over the control API.
const (
	innerCallers = 64
	innerClients = 1000
	// innerGroups makes groups of innerClients / innerGroups clients.
	innerGroups = 100
	// everybody is how many clients sendToAll reaches: few, since the command
	// is measured and not the fan-out.
	everybody = 10
	// innerWindow is the largest number of commands in flight. Nothing answers
	// them, and a listening socket whose queue is full (4,096 connections here)
	// accepts a later connection before one that it has turned away.
	innerWindow = 1024
	// steadyRate is a rate that must get through without loss, in commands per
	// second.
	steadyRate = 10_000.0
)

// verb is a command in both protocols.
type verb struct {
	name    string
	kind    payload.Kind
	command byte
	clients int
}

var verbs = []verb{
	{"sendToUid", payload.Unicast, cmdSendToUID, innerClients},
	{"sendToGroup", payload.Group, cmdSendToGroup, innerClients},
	{"sendToAll", payload.Broadcast, cmdSendToAll, everybody},
}

// backend is one PHP process: it calls one verb, over either port.
type backend struct {
	verb
	number, targets, size int
	stream                *swarm.Stream
	inner                 *innerCaller
	http                  *caller

	payload, ext, body []byte
	sent, refused      int
}

// commandScenario measures commands over the inner port and over the control API.
type commandScenario struct{ *bench }

func commandPlay(b *bench, ctx context.Context, resting *server, round *samples) error {
	return commandScenario{b}.measure(ctx, resting, round)
}

// measure measures the inner port once, on a server of its own, since
// others do not have one. The server that it is given stays idle.
func (b commandScenario) measure(ctx context.Context, resting *server, round *samples) error {
	ports, err := gateway.FreeAddrs(2)
	if err != nil {
		return err
	}
	s, err := start(ctx, resting.name, b.binaries[resting.name], fanoutDepth+2,
		"--gatewayworker-register", ports[0], "--gatewayworker-inner", ports[1])
	if err != nil {
		return err
	}
	s.profiler = resting.profiler
	for _, v := range verbs {
		if err = b.verb(ctx, s, ports[1], v, round); err != nil {
			err = fmt.Errorf("%s: %w", v.name, err)
			break
		}
	}
	if err = errors.Join(err, s.stop()); err == nil {
		b.besidePHP(ctx, s.name, round)
	}
	return err
}

// verb measures one verb over both ports, and sendToUid also at a steady rate.
func (b commandScenario) verb(ctx context.Context, s *server, inner string, v verb, round *samples) error {
	clients := min(v.clients, b.Clients)
	config := b.swarmOf(s, clients, slices.Repeat([]payload.Kind{v.kind}, innerCallers))
	config.Groups = min(innerGroups, clients)
	crowd, err := swarm.Open(ctx, config)
	if err != nil {
		return err
	}
	defer crowd.Close()
	if err := s.control.Bind(ctx, crowd.Bindings(config.Groups)); err != nil {
		return err
	}
	callers, hangUp, err := dialCallers(ctx, s.controlAddr, innerCallers)
	if err != nil {
		return err
	}
	defer hangUp()
	targets := map[payload.Kind]int{payload.Unicast: clients, payload.Group: config.Groups, payload.Broadcast: 1}[v.kind]
	var all []*backend
	for i, c := range callers {
		p := &backend{verb: v, number: i, targets: targets, size: b.Size, stream: crowd.Stream(i), http: c}
		if p.inner, err = newInnerCaller(inner); err != nil {
			return err
		}
		all = append(all, p)
	}
	over, under := "gatewayworker, "+v.name+" over the control API", "gatewayworker, "+v.name+" over the inner port"
	if err := b.commands(ctx, s, crowd, over, all, (*backend).overHTTP, 0, round); err != nil {
		return err
	}
	if err := b.commands(ctx, s, crowd, under, all, (*backend).overInner, 0, round); err != nil {
		return err
	}
	for _, figure := range []string{"commands a second", "CPU a command"} {
		round.addQuotient(under, figure, s.name, over, "inner port / control API")
	}
	if v.kind == payload.Unicast {
		name := fmt.Sprintf("%s, %.0f/s", under, steadyRate)
		if err := b.commands(ctx, s, crowd, name, all, (*backend).overInner, steadyRate, round); err != nil {
			return err
		}
	}
	return crowd.Report().Err()
}

// commands measures all backends calling, as fast as they can or at a total
// rate, after a warm-up.
func (b commandScenario) commands(ctx context.Context, s *server, crowd *swarm.Swarm, name string, all []*backend,
	once func(p *backend, k int, due int64) error, rate float64, round *samples) error {
	if err := b.callFor(ctx, crowd, all, once, rate, b.Warmup); err != nil {
		return err
	}
	w, err := openWindow(name, s, crowd)
	if err != nil {
		return err
	}
	called := b.callFor(ctx, crowd, all, once, rate, b.Measure)
	m, err := w.close(crowd)
	if err != nil {
		return err
	}
	report := crowd.Report()
	round.add(name, "messages lost", s.name, "", float64(report.Lost))
	if called != nil {
		return called
	}
	sent, refused := 0, 0
	for _, p := range all {
		sent, refused = sent+p.sent, refused+p.refused
	}
	if sent == 0 {
		return errors.New("no command was accepted")
	}
	round.add(name, "commands a second", s.name, "1/s", float64(sent)/m.took.Seconds())
	round.add(name, "CPU a command", s.name, "ns", float64(m.cpu)/float64(sent))
	round.add(name, "commands refused", s.name, "", float64(refused))
	latencies := map[payload.Kind]latency.Summary{
		payload.Unicast: report.Unicast, payload.Group: report.Group, payload.Broadcast: report.Broadcast}
	round.addLatency(name, "latency", s.name, latencies[all[0].kind])
	round.addLoads(name, s.name, m)
	return nil
}

// callFor makes all backends call for some time and returns when everything has
// arrived. With a rate, latency is measured from when a command was due.
func (b commandScenario) callFor(ctx context.Context, crowd *swarm.Swarm, all []*backend,
	once func(p *backend, k int, due int64) error, rate float64, d time.Duration) error {
	if err := crowd.ForgetLatencies(); err != nil {
		return err
	}
	var running sync.WaitGroup
	failed := make([]error, len(all))
	begun, until := clock.Now(), time.Now().Add(d)
	for i, p := range all {
		p.sent, p.refused = 0, 0
		if p.http != nil {
			if err := p.http.allow(d + patience); err != nil {
				return err
			}
		}
		running.Go(func() {
			for k := 0; failed[i] == nil && ctx.Err() == nil && time.Now().Before(until); k++ {
				if rate == 0 {
					awaitRoom(ctx, crowd, p.stream.Receivers(0))
				}
				due := clock.Now()
				if rate > 0 {
					due = begun + int64(float64(k*len(all)+i)/rate*float64(time.Second))
					if failed[i] = sleep(ctx, time.Duration(due-clock.Now())); failed[i] != nil {
						return
					}
				}
				failed[i] = once(p, k, due)
			}
		})
	}
	running.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	return waitDelivered(ctx, crowd)
}

// awaitRoom waits until fewer than innerWindow commands are in flight, each of
// which reaches that many receivers, or ctx is done.
func awaitRoom(ctx context.Context, crowd *swarm.Swarm, receivers int) {
	for ctx.Err() == nil {
		if received, expected := crowd.Delivered(); expected-received < int64(innerWindow*receivers) {
			return
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// next appends the payload of the k-th command; due is when it should be sent.
func (p *backend) next(k int, due int64) (target int) {
	target = (p.number + k*innerCallers) % p.targets
	p.payload = p.stream.Append(p.payload[:0], target, p.size, due)
	return target
}

func (p *backend) overInner(k int, due int64) error {
	target := p.next(k, due)
	p.ext = p.ext[:0]
	switch p.kind {
	case payload.Unicast:
		p.ext = append(append(append(p.ext, `["`...), control.UID(target)...), `"]`...)
	case payload.Group:
		p.ext = append(append(append(p.ext, `{"group":["`...), control.GroupName(target)...), `"],"exclude":null}`...)
	}
	if err := p.inner.call(p.command, p.ext, p.payload); err != nil {
		return err
	}
	p.commit(target)
	return nil
}

func (p *backend) overHTTP(k int, due int64) error {
	target := p.next(k, due)
	p.body = append(p.body[:0], `{"to":{`...)
	switch p.kind {
	case payload.Unicast:
		p.body = append(append(append(p.body, `"uids":["`...), control.UID(target)...), `"]`...)
	case payload.Group:
		p.body = append(append(append(p.body, `"groups":["`...), control.GroupName(target)...), `"]`...)
	default:
		p.body = append(p.body, `"all":true`...)
	}
	p.body = append(append(append(p.body, `},"text":"`...), p.payload...), `"}`...)
	_, err := p.http.post("/v1/push", p.body)
	if refused := (*control.RefusedError)(nil); errors.As(err, &refused) && refused.Status == 503 {
		p.refused++
		return nil
	}
	if err != nil {
		return err
	}
	p.commit(target)
	return nil
}

func (p *backend) commit(target int) {
	p.sent++
	p.stream.Commit(target)
}
