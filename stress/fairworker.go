package stress

import (
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"castgate/internal/wstest"
)

const (
	phpSecret = "a-key-that-php-knows"
	// phpMark is the prefix of messages sent by sendToUid.
	phpMark = "php "
	// toWorker is the suffix of names of durations until the worker knows.
	toWorker = " to the worker"
)

// fairWorker is fair with a worker attached that handles 5,000 events a second.
func fairWorker(t *Trial) (wstest.Options, func(t *Trial, s *site), error) {
	inner, register := wstest.FreeAddr(t), wstest.FreeAddr(t)
	o := wstest.Options{
		Schemes: []string{"text", "frame"},
		Flags: []string{"--compress", "--ping-interval", "0", "--control-key", fairKey, "--init-message", `{"type":"init","client_id":"%s"}`,
			"--gatewayworker-inner", inner, "--gatewayworker-register", register, "--gatewayworker-secret", phpSecret,
			"--gatewayworker-worker-wait", "0"},
		Key: fairKey,
	}
	round := besieging(slices.Concat(attacks, visitAttacks, innerAttacks, phpAttacks), siegeOfWorker)
	return o, func(t *Trial, s *site) {
		s.Listeners["inner"], s.Listeners["register"] = inner, register
		round(t, s)
	}, nil
}

// visit is when a bystander connected and disconnected.
type visit struct {
	client      uint32
	asked, left time.Time
}

// siegeOfWorker plays one attack and measures what the bystanders' worker notices.
// An event may take as long as one event of each client takes to handle, plus the
// events in the worker's kernel, plus two long ones: the current one, and the
// attackers' next.
func siegeOfWorker(t *Trial, s *site, a *attack, conns int, name string) {
	watch := newStopwatch()
	var known sync.Map // of the crowd
	buffer := workerBuffer
	if a.name == longLeavers { // with so little an event of megabytes takes seconds
		buffer = 0
	}
	w := attach(t, s.Listeners["inner"], phpSecret, buffer, func(client uint32, text string) {
		if _, ours := known.Load(client); ours {
			asked, _ := strconv.ParseInt(text, 10, 64)
			watch.note("a message"+toWorker, time.Since(time.Unix(0, asked)))
		}
	})
	s.AwaitMetric("castgate_gatewayworker_workers", 1)
	before := int(s.Metrics()[handshakesOK])
	b := s.besieged(t, name, watch)
	ids := make([]uint32, len(b.crowd))
	for i, c := range b.crowd {
		ids[i] = connectionOf(t, c.ID)
		known.Store(ids[i], true)
	}
	sent := make([]int, bystanders)
	var visits []visit
	day := func(length time.Duration) {
		begun := time.Now()
		for n := 0; time.Since(begun) < length; n++ {
			i := n % bystanders
			b.pushOne(n)
			b.say(i)
			sent[i]++
			b.sendToUID(i)
			if n%10 == 0 {
				visits = append(visits, b.visit())
			}
			b.nap(4 * time.Millisecond)
		}
	}
	day(calmTime)
	b.attack(a, conns)
	calm := len(visits)
	day(attackTime)
	w.hurry()
	drop(s.obeyed(t, nil)) // so is what was sent before it
	b.end()
	for _, c := range b.crowd {
		c.Conn.CloseNow()
	}
	w.drained(t, s, name)
	w.settled(t, name, int(s.Metrics()[handshakesOK])-before)
	for i, id := range ids {
		t.Equal(name+": messages of a bystander that the worker has", w.of(id).messages, sent[i])
	}
	for i, v := range visits {
		of := w.of(v.client)
		t.Equal(name+": handshakes of a bystander that the worker has", of.ready, 1)
		if i < calm {
			continue
		}
		b.watch.note("a connect"+toWorker, of.began.Sub(v.asked))
		b.watch.note("a close"+toWorker, of.ended.Sub(v.left))
	}
	b.judge(time.Duration(conns+bystanders+workerBuffer/phpHeader)*eventPause + 2*w.longestEvent())
	w.leave()
	s.AwaitMetric("castgate_gatewayworker_workers", 0)
}

// say makes a bystander send the time.
func (b *besieged) say(i int) {
	err := b.crowd[i].Conn.Write(b.t.Context(), websocket.MessageText, strconv.AppendInt(nil, time.Now().UnixNano(), 10))
	b.t.Check(err == nil, "%s: a bystander's message: %v", b.name, err)
}

// sendToUID is GatewayClient's, on a connection of its own.
func (b *besieged) sendToUID(i int) {
	c, err := net.DialTimeout("tcp", b.s.Listeners["inner"], wstest.Patience)
	if err != nil {
		b.t.Check(false, "%s: a sendToUid: %v", b.name, err)
		return
	}
	text := phpMark + strconv.FormatInt(time.Now().UnixNano(), 10)
	wire := append(phpFrame(phpClientConnect, "", `{"secret_key":"`+phpSecret+`"}`),
		phpFrame(phpSendToUID, `["bystander-`+strconv.Itoa(i)+`"]`, text)...)
	_, err = c.Write(wire)
	b.t.Check(err == nil, "%s: a sendToUid: %v", b.name, err)
	_ = c.Close()
	b.s.matchedByPHP(1)
}

// visit is a bystander that connects and disconnects.
func (b *besieged) visit() visit {
	v := visit{asked: time.Now()}
	first := b.connectOne()
	v.left = time.Now()
	var init struct {
		ID string `json:"client_id"`
	}
	err := json.Unmarshal([]byte(first), &init)
	b.t.Must(err == nil, "%s: the init message %q: %v", b.name, first, err)
	v.client = connectionOf(b.t, init.ID)
	return v
}
