package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"castgate/loadtest"
)

// progress shows the progress of a run: a bar on a terminal, otherwise lines.
// Its methods may be called from any goroutine.
type progress struct {
	w        io.Writer
	terminal bool
	quiet    bool // only lines of log

	mu        sync.Mutex
	bar       *progressbar.ProgressBar // nil if none is shown
	length    int64                    // of bar
	measuring bool                     // the phase of the bar or the last line
	began     time.Time                // of that phase
	next      time.Time                // of the next line
}

// newProgress shows progress on w.
func newProgress(w io.Writer, quiet bool) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, quiet: quiet, terminal: ok && term.IsTerminal(int(f.Fd())), began: time.Now()}
}

// log writes a line above the bar.
func (p *progress) log(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // an error means that the terminal is gone
	}
	fmt.Fprintln(p.w, line)
}

// update shows the progress.
func (p *progress) update(now loadtest.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return
	}
	if now.Measuring != p.measuring {
		p.measuring, p.began, p.next = now.Measuring, time.Now(), time.Time{}
		p.drop()
	}
	if p.terminal {
		p.draw(now)
	} else {
		p.line(now)
	}
}

// close removes the bar, so that later output has the screen for itself.
func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
	p.quiet = true
}

func (p *progress) drop() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}

// draw moves the bar.
func (p *progress) draw(now loadtest.Progress) {
	at := int64(now.Open)
	if now.Measuring {
		at = now.Elapsed.Milliseconds()
	}
	if p.bar == nil {
		p.length = int64(now.Connections)
		if now.Measuring {
			p.length = now.For.Milliseconds()
		}
		if p.length == 0 {
			p.length = -1 // a spinner
		}
		p.bar = progressbar.NewOptions64(p.length, progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(now.Measuring), progressbar.OptionSetElapsedTime(true))
	}
	if p.length > 0 {
		// A full bar would count as done and stay, but messages in flight are
		// still waited for.
		at = min(at, p.length-1)
	}
	p.bar.Describe(describe(now))
	_ = p.bar.Set64(at)
}

// Lines appear once a second, and later less often, so that a long run does not
// fill a log.
const (
	lineEvery = time.Second
	lineShare = 10 // of the time that has passed
)

// line writes a line if it is time for one.
func (p *progress) line(now loadtest.Progress) {
	t := time.Now()
	if p.next.IsZero() {
		p.next = p.began.Add(lineEvery)
	}
	if t.Before(p.next) {
		return
	}
	p.next = t.Add(max(lineEvery, t.Sub(p.began)/lineShare))
	fmt.Fprintln(p.w, describe(now)+passed(now))
}

// describe describes the progress.
func describe(p loadtest.Progress) string {
	switch {
	case !p.Measuring:
		return fmt.Sprintf("%d of %d open", p.Open, p.Connections)
	case p.Expected == 0:
		return fmt.Sprintf("%d open", p.Open)
	}
	return fmt.Sprintf("%d open, %d of %d messages", p.Open, p.Received, p.Expected)
}

// passed says how much time has passed; on a terminal the bar shows it.
func passed(p loadtest.Progress) string {
	switch {
	case !p.Measuring:
		return ""
	case p.For == 0:
		return fmt.Sprintf(", %v", p.Elapsed.Round(time.Second))
	}
	return fmt.Sprintf(", %v of %v", min(p.Elapsed, p.For).Round(time.Second), p.For)
}
