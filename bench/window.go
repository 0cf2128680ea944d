package bench

import (
	"os"
	"runtime"
	"time"

	"castgate/loadtest/proc"
	"castgate/loadtest/swarm"
)

// window measures an interval.
type window struct {
	server    *server
	began     time.Time
	cpu       time.Duration // of the server
	self      time.Duration // CPU of this process, the swarm
	busy      time.Duration // CPU of the machine
	delivered int64
}

// measured is what a window has measured.
type measured struct {
	took       time.Duration
	cpu        time.Duration // of the server's process
	perMessage time.Duration // cpu per message, 0 without messages
	messages   int64
	serverLoad float64 // server's CPU in cores
	swarmLoad  float64 // harness's CPU in cores
	// foreign is the share of the whole machine that others used, including the
	// hypervisor. The kernel's ticks make it inexact by about 0.01.
	foreign float64
}

// openWindow begins to measure a phase. The swarm may be nil.
func openWindow(phase string, s *server, crowd *swarm.Swarm) (w window, err error) {
	w.server = s
	if w.self, err = (proc.Process{PID: os.Getpid()}).CPU(); err != nil {
		return w, err
	}
	if w.busy, err = proc.BusyCPU(); err != nil {
		return w, err
	}
	if w.cpu, err = w.server.CPU(); err != nil {
		return w, err
	}
	w.delivered = delivered(crowd)
	w.began = time.Now()
	return w, s.profiler.Begin(phase, s.root.PID)
}

func delivered(crowd *swarm.Swarm) int64 {
	if crowd == nil {
		return 0
	}
	n, _ := crowd.Delivered()
	return n
}

// close ends the measurement.
func (w *window) close(crowd *swarm.Swarm) (m measured, err error) {
	m.took = time.Since(w.began)
	if err := w.server.profiler.End(); err != nil {
		return m, err
	}
	cpu, err := w.server.CPU()
	if err != nil {
		return m, err
	}
	busy, err := proc.BusyCPU()
	if err != nil {
		return m, err
	}
	self, err := proc.Process{PID: os.Getpid()}.CPU()
	if err != nil {
		return m, err
	}
	m.cpu, m.messages = cpu-w.cpu, delivered(crowd)-w.delivered
	if m.messages > 0 {
		m.perMessage = m.cpu / time.Duration(m.messages)
	}
	m.serverLoad = m.cpu.Seconds() / m.took.Seconds()
	m.swarmLoad = (self - w.self).Seconds() / m.took.Seconds()
	others := (busy - w.busy - m.cpu - (self - w.self)).Seconds() / m.took.Seconds()
	// Over a short time the kernel's ticks can say more than there is.
	m.foreign = min(max(others, 0)/float64(runtime.NumCPU()), 1)
	return m, nil
}
