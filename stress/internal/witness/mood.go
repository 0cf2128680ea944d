package witness

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Mood is how a witness answers.
type Mood int

// The moods. Those that take note the events, whatever they answer.
const (
	Good       Mood = iota // takes, 204
	Broken                 // 500
	Silent                 // no answer until the gateway gives up
	Slow                   // takes, 204 after a while
	Garbage                // bytes that are not HTTP
	Liar                   // takes, then bytes that are not HTTP
	Elsewhere              // a redirect
	Reset                  // a reset
	TakeReset              // takes, then a reset
	Throttling             // 429, Retry-After 1
	TakeBroken             // takes, 500
	Endless                // takes, 200 and an endless body
	Dribbling              // takes, 200 and a body that comes a byte at a time
	Flaky                  // takes, but answers 500 to three requests in ten
	NumMoods               // how many there are
)

type atomicMood struct{ atomic.Int32 }

// Be changes the mood for the requests that come.
func (w *Witness) Be(m Mood) { w.mood.Store(int32(m)) }

// How long a request is kept while the mood is Silent or Slow.
const slowness = 300 * time.Millisecond

// behave answers a request.
func (w *Witness) behave(answer http.ResponseWriter, r *http.Request, body []byte) {
	mood := Mood(w.mood.Load())
	switch mood {
	case Good, Slow, Liar, TakeReset, TakeBroken, Endless, Dribbling:
		w.take(body)
	case Flaky:
		if rand.IntN(10) < 3 {
			mood = Broken
			break
		}
		w.take(body)
	}
	switch mood {
	case Broken, TakeBroken:
		answer.WriteHeader(http.StatusInternalServerError)
	case Silent:
		<-r.Context().Done()
	case Slow:
		select {
		case <-time.After(slowness):
		case <-r.Context().Done():
		}
		answer.WriteHeader(http.StatusNoContent)
	case Garbage, Liar:
		raw(answer, func(c net.Conn) { _, _ = io.WriteString(c, "what is this\r\n\r\n") })
	case Elsewhere:
		http.Redirect(answer, r, "/elsewhere", http.StatusTemporaryRedirect)
	case Reset, TakeReset:
		raw(answer, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) })
	case Throttling:
		answer.Header().Set("Retry-After", "1")
		answer.WriteHeader(http.StatusTooManyRequests)
	case Endless:
		junk := bytes.Repeat([]byte("x"), 16<<10)
		for r.Context().Err() == nil {
			if _, err := answer.Write(junk); err != nil {
				return
			}
		}
	case Dribbling:
		for r.Context().Err() == nil {
			if _, err := answer.Write([]byte("x")); err != nil || http.NewResponseController(answer).Flush() != nil {
				return
			}
			time.Sleep(10 * time.Millisecond) // between bytes
		}
	default:
		answer.WriteHeader(http.StatusNoContent)
	}
}

// raw ends a connection in another way than HTTP does.
func raw(answer http.ResponseWriter, how func(net.Conn)) {
	c, _, err := answer.(http.Hijacker).Hijack()
	if err == nil {
		how(c)
		_ = c.Close()
	}
}
