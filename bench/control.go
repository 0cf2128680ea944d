package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"castgate/loadtest/clock"
	"castgate/loadtest/control"
	"castgate/loadtest/latency"
	"castgate/loadtest/payload"
	"castgate/loadtest/swarm"
)

// The control scenario: unicasts through the control API, in a closed loop over
// persistent connections, one by one and in batches.
const (
	controlCallers = 64
	controlClients = 1000
	controlBatch   = 1000
	// maxControlTime is the largest latency that is recorded; longer ones are
	// clamped.
	maxControlTime = time.Minute
)

// pushedOnce is the answer to a push that reached one client.
const pushedOnce = `{"matched":1,"queued":1,"dropped":0}`

// pusher is one caller and the stream of what it pushes. Without a stream there
// are no receivers: the server that does nothing gets the same requests.
type pusher struct {
	*caller
	stream  *swarm.Stream
	want    string // every answer; "": any with status 200
	number  int
	clients int
	size    int

	payload []byte
	body    []byte
	batch   commands
	taken   int
	refused int
	answers *hdrhistogram.Histogram // ns
}

// unicasts measures the control port once.
func (b *bench) unicasts(ctx context.Context, s *server, round *samples) error {
	callers, hangUp, err := dialCallers(ctx, s.controlAddr, controlCallers)
	if err != nil {
		return err
	}
	defer hangUp()
	var all []*pusher
	for i, c := range callers {
		all = append(all, &pusher{caller: c, number: i, clients: min(controlClients, b.Clients), size: b.Size})
	}
	if s.name == Noop {
		return b.push(ctx, s, nil, "control, single", all, (*pusher).single, round)
	}
	streams := slices.Repeat([]payload.Kind{payload.Unicast}, controlCallers)
	crowd, err := swarm.Open(ctx, b.swarmOf(s, min(controlClients, b.Clients), streams))
	if err != nil {
		return err
	}
	defer crowd.Close()
	if err := s.control.Bind(ctx, crowd.Bindings(memoryGroups)); err != nil {
		return err
	}
	for i, p := range all {
		p.stream, p.want = crowd.Stream(i), pushedOnce
	}
	if err := b.push(ctx, s, crowd, "control, single", all, (*pusher).single, round); err != nil {
		return err
	}
	name := fmt.Sprintf("control, batches of %d", controlBatch)
	if err := b.push(ctx, s, crowd, name, all, (*pusher).many, round); err != nil {
		return err
	}
	round.addQuotient(name, "pushes a second", s.name, "control, single", "batches / single")
	return crowd.Report().Err()
}

// push measures one way to push, after a warm-up.
func (b *bench) push(ctx context.Context, s *server, crowd *swarm.Swarm, name string, all []*pusher,
	once func(p *pusher, k int) error, round *samples) error {
	if err := b.hammer(ctx, crowd, all, once, b.Warmup); err != nil {
		return err
	}
	w, err := openWindow(name, s, crowd)
	if err != nil {
		return err
	}
	if err := b.hammer(ctx, crowd, all, once, b.Measure); err != nil {
		return err
	}
	m, err := w.close(crowd)
	if err != nil {
		return err
	}
	taken, refused := 0, 0
	answers := newAnswers()
	for _, p := range all {
		taken += p.taken
		refused += p.refused
		answers.Merge(p.answers)
	}
	if taken == 0 {
		return errors.New("no push was accepted")
	}
	round.rate(name, "pushes a second", s.name, "1/s", float64(taken)/m.took.Seconds())
	round.rate(name, "CPU a push", s.name, "ns", float64(m.cpu)/float64(taken))
	round.addLatency(name, "answer", s.name, latency.Of(answers))
	round.add(name, "pushes refused", s.name, "", float64(refused))
	if crowd != nil {
		round.addLatency(name, "latency", s.name, crowd.Report().Unicast)
	}
	round.addLoads(name, s.name, m)
	return nil
}

// hammer makes all callers push for some time, each as soon as its last push is
// answered, and returns when everything has arrived.
func (b *bench) hammer(ctx context.Context, crowd *swarm.Swarm, all []*pusher, once func(p *pusher, k int) error, d time.Duration) error {
	if crowd != nil {
		if err := crowd.ForgetLatencies(); err != nil {
			return err
		}
	}
	var running sync.WaitGroup
	failed := make([]error, len(all))
	until := time.Now().Add(d)
	for i, p := range all {
		p.taken, p.refused, p.answers = 0, 0, newAnswers()
		if err := p.allow(d + patience); err != nil {
			return err
		}
		running.Go(func() {
			for k := 0; failed[i] == nil && ctx.Err() == nil && time.Now().Before(until); k++ {
				failed[i] = once(p, k)
			}
		})
	}
	running.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if crowd == nil {
		return nil
	}
	return waitDelivered(ctx, crowd)
}

func newAnswers() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(time.Microsecond), int64(maxControlTime), 3)
}

// single makes the k-th push, to one uid.
func (p *pusher) single(k int) error {
	target := (p.number + k*controlCallers) % p.clients
	p.body = append(p.appendPush(append(p.body[:0], '{'), target), '}')
	begun := time.Now()
	answer, err := p.post("/v1/push", p.body)
	if refused := (*control.RefusedError)(nil); errors.As(err, &refused) && refused.Status == 503 {
		p.refused++
		return nil
	}
	if err != nil {
		return err
	}
	if p.want != "" && string(answer) != p.want {
		return fmt.Errorf("a push to %s was answered %.80q instead of %q", control.UID(target), answer, p.want)
	}
	p.took(begun)
	p.commit(target)
	return nil
}

// many makes the k-th batch: a push to every client, or to controlBatch of them
// if there are more.
func (p *pusher) many(k int) error {
	n := min(controlBatch, p.clients)
	first := p.number*p.clients/controlCallers + k*n
	p.batch.reset()
	for i := range n {
		p.batch.next()
		p.batch.body = append(p.batch.body, `{"op":"push",`...)
		p.batch.body = append(p.appendPush(p.batch.body, (first+i)%p.clients), '}')
	}
	begun := time.Now()
	refused, err := p.caller.batch(&p.batch, p.want)
	if err != nil {
		return err
	}
	p.took(begun)
	for i := range n {
		if refused != nil && refused[i] {
			p.refused++
			continue
		}
		p.commit((first + i) % p.clients)
	}
	return nil
}

// appendPush appends the fields of a push of the next payload to a client.
func (p *pusher) appendPush(dst []byte, target int) []byte {
	if p.stream != nil {
		p.payload = p.stream.Append(p.payload[:0], target, p.size, clock.Now())
	} else {
		p.payload = payload.Append(p.payload[:0], payload.Stamp{
			Kind: payload.Unicast, Target: uint32(target), Seq: uint32(p.taken), Sent: clock.Now(), Size: p.size,
		})
	}
	dst = append(append(append(dst, `"to":{"uids":["`...), control.UID(target)...), `"]},"text":"`...)
	return append(append(dst, p.payload...), '"')
}

func (p *pusher) took(begun time.Time) {
	// Clamped, the value is in range.
	_ = p.answers.RecordValue(int64(min(time.Since(begun), maxControlTime)))
}

func (p *pusher) commit(target int) {
	p.taken++
	if p.stream != nil {
		p.stream.Commit(target)
	}
}
