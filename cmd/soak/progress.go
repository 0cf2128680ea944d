package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"castgate/bench/soak"
	"castgate/internal/chart"
)

// lineEvery is how often a line is printed without a terminal.
const lineEvery = time.Minute

// progress shows the progress: on a terminal one line that changes, otherwise
// one line at once and then one per minute. Its methods may be called from any
// goroutine.
type progress struct {
	w        io.Writer
	terminal bool
	length   time.Duration

	mu    sync.Mutex
	shown bool          // a line that changes
	next  time.Duration // when the next line is due
}

func newProgress(w io.Writer, length time.Duration) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, length: length, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// seen shows a sample.
func (p *progress) seen(s soak.Sample, received int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := time.Duration(s.At * 1e9)
	if !p.terminal && at < p.next {
		return
	}
	text := fmt.Sprintf("%v of %v: PSS %s, heap %s, %d descriptors, %d connections, %d goroutines, %d threads, %s messages received",
		at.Round(time.Second), p.length, chart.Bytes.Text(float64(s.PSS)), chart.Bytes.Text(float64(s.Heap)),
		s.Files, s.Connections, s.Goroutines, s.Threads, chart.Number.Text(float64(received)))
	if p.terminal {
		p.hide()
		p.shown = true
		fmt.Fprint(p.w, text)
		return
	}
	p.next += lineEvery
	fmt.Fprintln(p.w, text)
}

// log writes a line.
func (p *progress) log(line string) { fmt.Fprintln(p, line) }

// Write implements io.Writer: for whole lines.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hide()
	return p.w.Write(b)
}

// clear removes the line, so that later output has the screen for itself.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hide()
}

func (p *progress) hide() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
