package loadtest

import (
	"runtime"
	"time"

	"castgate/loadtest/proc"
)

// ServerCost is the cost of the server's process. CPU is user and system time
// of the whole process, without what the kernel does for it outside the
// process's own threads.
type ServerCost struct {
	PID  int    `json:"pid"`
	Name string `json:"name"` // of the program, as the kernel reports it
	// CPUPerConnect is the CPU time of the opening per connection.
	CPUPerConnect time.Duration `json:"cpu_per_connect_ns"`
	// CPU is the CPU time while measuring, Load the same in cores.
	CPU  time.Duration `json:"cpu_ns"`
	Load float64       `json:"load_cores"`
	// CPUPerConnection is CPU per connection and second, in ns per second: the
	// cost of holding one.
	CPUPerConnection float64 `json:"cpu_per_connection_second_ns"`
	// CPUPerMessage is CPU per delivered message, 0 if there were none.
	CPUPerMessage time.Duration `json:"cpu_per_message_ns,omitempty"`
	// PSS is the proportional set size in bytes before the first connection and
	// at the end; PSSPerConnection is the difference per connection.
	PSSBefore        int64   `json:"pss_before"`
	PSS              int64   `json:"pss"`
	PSSPerConnection float64 `json:"pss_per_connection"`
	Threads          int     `json:"threads"`
}

// meter takes the readings for a ServerCost.
type meter struct {
	server                  proc.Process
	pssBefore               int64
	cpuStart, cpuOpen, cpu0 time.Duration
	began                   time.Time
}

// newMeter takes the readings before the first connection. With pid 0 it
// measures nothing.
func newMeter(pid int) (m *meter, err error) {
	m = &meter{server: proc.Process{PID: pid}}
	if pid == 0 {
		return m, nil
	}
	if m.pssBefore, err = m.server.PSS(); err != nil {
		return nil, err
	}
	m.cpuStart, err = m.server.CPU()
	return m, err
}

// opened takes the reading once the last connection is open.
func (m *meter) opened() (err error) { return m.readCPU(&m.cpuOpen) }

// begin takes the reading at the beginning of the measurement.
func (m *meter) begin() (err error) {
	m.began = time.Now()
	return m.readCPU(&m.cpu0)
}

func (m *meter) readCPU(into *time.Duration) (err error) {
	if m.server.PID == 0 {
		return nil
	}
	*into, err = m.server.CPU()
	return err
}

// end takes the last readings. Nil without a process to measure.
func (m *meter) end(connections int, messages uint64) (*ServerCost, error) {
	if m.server.PID == 0 {
		return nil, nil
	}
	took := time.Since(m.began)
	var now time.Duration
	if err := m.readCPU(&now); err != nil {
		return nil, err
	}
	pss, err := m.server.PSS()
	if err != nil {
		return nil, err
	}
	threads, err := m.server.Threads()
	if err != nil {
		return nil, err
	}
	c := &ServerCost{
		PID: m.server.PID, Name: m.server.Name(), PSSBefore: m.pssBefore, PSS: pss, Threads: threads,
		PSSPerConnection: float64(pss-m.pssBefore) / float64(connections),
		CPUPerConnect:    (m.cpuOpen - m.cpuStart) / time.Duration(connections),
		CPU:              now - m.cpu0,
	}
	c.Load = min(c.CPU.Seconds()/max(took.Seconds(), 1e-9), float64(runtime.NumCPU()))
	c.CPUPerConnection = float64(c.CPU) / max(took.Seconds(), 1e-9) / float64(connections)
	if messages > 0 {
		c.CPUPerMessage = c.CPU / time.Duration(messages)
	}
	return c, nil
}
