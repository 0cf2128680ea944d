package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"castgate/cmd/castgate/internal/process"
)

// stage is a gateway and a control port that record their calls.
type stage struct {
	mu     sync.Mutex
	events []string

	runEnds     chan error    // Run returns the received value
	serveEnds   chan error    // Serve likewise
	reloads     chan struct{} // gets a message for each reload, which then ends
	drainEnds   chan struct{} // Shutdown returns once closed, or with ctx
	hangs       chan struct{} // if not nil, Shutdown and Stop return once closed
	stopDelay   time.Duration
	draining    atomic.Bool
	readyAtStop atomic.Bool // the value of draining when Shutdown was called
	clock       atomic.Int64
}

func newStage() *stage {
	return &stage{runEnds: make(chan error, 1), serveEnds: make(chan error, 1), drainEnds: make(chan struct{}), reloads: make(chan struct{})}
}

func (s *stage) note(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event)
}

func (s *stage) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

type stageGateway struct{ *stage }

func (s stageGateway) Run() error { return <-s.runEnds }
func (s stageGateway) Stop() {
	s.note("gateway stop")
	s.hang()
}
func (s stageGateway) Shutdown(ctx context.Context) error {
	s.readyAtStop.Store(s.draining.Load())
	s.note("gateway shutdown")
	s.hang()
	select {
	case <-s.drainEnds:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type stageControl struct{ *stage }

func (s stageControl) Serve() error { return <-s.serveEnds }
func (s stageControl) Leave()       { s.note("control leaves") }
func (s stageControl) HandOver()    { s.note("control hands over") }
func (s stageControl) Shutdown(context.Context) error {
	s.note("control shutdown")
	s.hang()
	return nil
}

// hang waits until the test is over, if the stage is one that hangs.
func (s *stage) hang() {
	if s.hangs != nil {
		<-s.hangs
	}
}

// hanging is a stage in a bubble of synctest; over releases its goroutines.
func hanging() (s *stage, over func()) {
	s = newStage()
	s.hangs = make(chan struct{})
	return s, func() {
		close(s.hangs)
		close(s.runEnds)
		close(s.serveEnds)
	}
}

// start runs a lifecycle on the stage; the channel receives the result of run.
func (s *stage) start(drainTimeout time.Duration, log *bytes.Buffer) (chan<- os.Signal, <-chan error) {
	signals, ended := make(chan os.Signal), make(chan error, 1)
	l := lifecycle{
		gateway: stageGateway{s}, control: stageControl{s}, signals: signals,
		log: slog.New(slog.NewTextHandler(log, nil)), draining: &s.draining, stopDelay: s.stopDelay, drainTimeout: drainTimeout,
		reload: func() { s.reloads <- struct{}{} },
		now:    func() time.Time { return time.Unix(0, s.clock.Load()) },
		tell:   func(string) {},
	}
	go func() { ended <- l.run() }()
	return signals, ended
}

func codeOf(err error) int {
	if e, ok := errors.AsType[*process.Exit](err); ok {
		return e.Code
	}
	if err != nil {
		return process.ExitFailed
	}
	return 0
}

func TestStopInOrder(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s, log := newStage(), &bytes.Buffer{}
		signals, ended := s.start(time.Minute, log)
		signals <- syscall.SIGHUP // must not end it
		<-s.reloads
		signals <- syscall.SIGHUP // a reload that does not end
		signals <- sig            // delays nothing
		signals <- syscall.SIGHUP // must not speed up the draining
		close(s.drainEnds)
		if code := codeOf(<-ended); code != 0 {
			t.Errorf("%v: exit %d, want 0", sig, code)
		}
		if want := []string{"control leaves", "control hands over", "gateway shutdown", "gateway stop", "control shutdown"}; !slices.Equal(s.noted(), want) {
			t.Errorf("%v: %q, want %q", sig, s.noted(), want)
		}
		if !s.readyAtStop.Load() {
			t.Errorf("%v: still ready when the gateway shut down", sig)
		}
		if !strings.Contains(log.String(), "SIGHUP ignored") {
			t.Errorf("%v: SIGHUP is not in the log:\n%s", sig, log)
		}
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	s, log := newStage(), &bytes.Buffer{}
	signals, ended := s.start(time.Minute, log)
	signals <- syscall.SIGTERM
	for !s.draining.Load() { // the stop has begun
		time.Sleep(time.Millisecond)
	}
	s.clock.Add(int64(sameSignal))
	signals <- syscall.SIGTERM
	err := <-ended
	if codeOf(err) != process.ExitFailed || !strings.Contains(err.Error(), "at once") {
		t.Errorf("ended with %v (exit %d)", err, codeOf(err))
	}
	if slices.Contains(s.noted(), "control shutdown") {
		t.Errorf("drained all the same: %q", s.noted())
	}
}

// timeout, make and the terminal signal a group and its leader: signals within
// a moment are one request.
func TestSignalThatComesTwice(t *testing.T) {
	s, log := newStage(), &bytes.Buffer{}
	signals, ended := s.start(time.Minute, log)
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGINT} {
		signals <- sig
		s.clock.Add(int64(sameSignal) / 4)
	}
	close(s.drainEnds)
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if want := []string{"control leaves", "control hands over", "gateway shutdown", "gateway stop", "control shutdown"}; !slices.Equal(s.noted(), want) {
		t.Errorf("%q, want %q", s.noted(), want)
	}
	if n := strings.Count(log.String(), "signal ignored"); n != 2 {
		t.Errorf("%d signals are in the log, want 2:\n%s", n, log)
	}
}

func TestDrainTimeout(t *testing.T) {
	s, log := newStage(), &bytes.Buffer{}
	signals, ended := s.start(time.Millisecond, log)
	signals <- syscall.SIGTERM
	if err := <-ended; err != nil {
		t.Errorf("ended with %v, want exit 0: the stop was asked for", err)
	}
	if !strings.Contains(log.String(), "drain-timeout passed") {
		t.Errorf("the log does not say so:\n%s", log)
	}
	if want := []string{"control leaves", "control hands over", "gateway shutdown", "gateway stop", "control shutdown"}; !slices.Equal(s.noted(), want) {
		t.Errorf("%q, want %q", s.noted(), want)
	}
}

// An unexpected end is fatal, with or without an error.
func TestUnaskedEnd(t *testing.T) {
	for name, end := range map[string]func(*stage){
		"gateway":            func(s *stage) { s.runEnds <- errors.New("loop 3: bad file descriptor") },
		"gateway, no error":  func(s *stage) { s.runEnds <- nil },
		"control":            func(s *stage) { s.serveEnds <- errors.New("too many open files") },
		"control, no error ": func(s *stage) { s.serveEnds <- nil },
	} {
		s, log := newStage(), &bytes.Buffer{}
		_, ended := s.start(time.Minute, log)
		end(s)
		if err := <-ended; codeOf(err) != process.ExitAbnormal {
			t.Errorf("%s: %v (exit %d), want exit %d", name, err, codeOf(err), process.ExitAbnormal)
		}
		if !strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("%s: no error in the log:\n%s", name, log)
		}
	}
}

// The end does not wait for parts that ignore their time limit.
func TestStopOfWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, over := hanging()
		defer over()
		log := &bytes.Buffer{}
		signals, ended := s.start(time.Minute, log)
		begun := time.Now()
		signals <- syscall.SIGTERM
		if err := <-ended; err != nil {
			t.Errorf("ended with %v, want exit 0: the stop was asked for", err)
		}
		if took, most := time.Since(begun), time.Minute+controlGrace+3*stopGrace; took > most {
			t.Errorf("it took %v, more than %v", took, most)
		}
		if want := []string{"control leaves", "control hands over", "gateway shutdown", "gateway stop", "control shutdown"}; !slices.Equal(s.noted(), want) {
			t.Errorf("%q, want %q", s.noted(), want)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 3 {
			t.Errorf("%d errors are in the log, want 3:\n%s", n, log)
		}
	})
}

// Neither does a second signal, nor an unexpected end.
func TestEndsAtOnceThoughTheGatewayHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, over := hanging()
		defer over()
		log := &bytes.Buffer{}
		signals, ended := s.start(time.Minute, log)
		signals <- syscall.SIGTERM
		synctest.Wait()
		s.clock.Add(int64(sameSignal))
		begun := time.Now()
		signals <- syscall.SIGTERM
		if err := <-ended; codeOf(err) != process.ExitFailed || time.Since(begun) != 0 {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, over := hanging()
		defer over()
		log := &bytes.Buffer{}
		_, ended := s.start(time.Minute, log)
		s.serveEnds <- errors.New("too many open files")
		if err := <-ended; codeOf(err) != process.ExitAbnormal {
			t.Errorf("%v (exit %d), want exit %d", err, codeOf(err), process.ExitAbnormal)
		}
	})
}

// During the delay everything continues; then comes the drain.
func TestStopDelay(t *testing.T) {
	s, log := newStage(), &bytes.Buffer{}
	s.stopDelay = time.Millisecond
	signals, ended := s.start(time.Minute, log)
	signals <- syscall.SIGTERM
	close(s.drainEnds)
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if want := []string{"control leaves", "control hands over", "gateway shutdown", "gateway stop", "control shutdown"}; !slices.Equal(s.noted(), want) {
		t.Errorf("%q, want %q", s.noted(), want)
	}
}

// A second signal ends the delay, and the drain begins as after a first signal
// without a delay; a third ends the drain.
func TestSignalsDuringStopDelay(t *testing.T) {
	s, log := newStage(), &bytes.Buffer{}
	s.stopDelay = time.Hour
	signals, ended := s.start(time.Minute, log)
	signals <- syscall.SIGTERM
	signals <- syscall.SIGTERM // the same
	signals <- syscall.SIGHUP  // has been taken up once the next is
	signals <- syscall.SIGHUP
	if got := s.noted(); !slices.Equal(got, []string{"control leaves"}) || !s.draining.Load() {
		t.Fatalf("during the delay: %q, draining %v", got, s.draining.Load())
	}
	s.clock.Add(int64(sameSignal))
	signals <- syscall.SIGTERM
	signals <- syscall.SIGHUP // the drain has begun once it is taken
	signals <- syscall.SIGHUP
	s.clock.Add(int64(sameSignal))
	signals <- syscall.SIGTERM
	if err := <-ended; codeOf(err) != process.ExitFailed {
		t.Errorf("ended with %v", err)
	}
}

// An unexpected end is also one during the delay.
func TestUnaskedEndDuringStopDelay(t *testing.T) {
	s, log := newStage(), &bytes.Buffer{}
	s.stopDelay = time.Hour
	signals, ended := s.start(time.Minute, log)
	signals <- syscall.SIGTERM
	s.runEnds <- errors.New("loop 3: bad file descriptor")
	if err := <-ended; codeOf(err) != process.ExitAbnormal {
		t.Errorf("ended with %v", err)
	}
}
