package loadtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"castgate/internal/machine"
	"castgate/loadtest/latency"
)

// Record is a result with everything about its run, to be stored as JSON and as
// a page. A record that was read from JSON can be written as a page.
type Record struct {
	*Result
	// Fault is what the server did wrong, or what ended the run; empty if
	// nothing did.
	Fault   string          `json:"fault,omitempty"`
	Command []string        `json:"command"` // the command line, the program's name first
	Version string          `json:"version"`
	Machine machine.Machine `json:"machine"` // the one the swarm ran on
	// Distributions are those of Report, by kind of push.
	Distributions []latency.Distribution `json:"distributions,omitempty"`
}

// NewRecord makes a record of what Run returned on this machine. result must
// not be nil. The command must not contain secrets.
func NewRecord(r *Result, fault error, command []string, version string) *Record {
	rec := &Record{Result: r, Command: command, Version: version, Machine: machine.This()}
	if fault != nil {
		rec.Fault = fault.Error()
	}
	if r.Report != nil {
		rec.Distributions = r.Report.Distributions()
	}
	return rec
}

// WriteJSON writes the record as one indented JSON object.
func (r *Record) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// maxRecord limits a record in JSON, in bytes; the longest timeline takes about
// 1 MB.
const maxRecord = 64 << 20

// ReadRecord reads what WriteJSON has written.
func ReadRecord(from io.Reader) (*Record, error) {
	b, err := io.ReadAll(io.LimitReader(from, maxRecord+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxRecord {
		return nil, fmt.Errorf("the record has more than %d bytes", maxRecord)
	}
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("not a record: %w", err)
	}
	if r.Result == nil || r.Scenario == "" {
		return nil, errors.New("not a record: it names no scenario")
	}
	return &r, nil
}
