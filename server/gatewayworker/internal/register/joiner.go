package register

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server/hostport"
)

// maxRegisters is how many Registers a gateway may join.
const maxRegisters = 64

// JoinerConfig is the configuration of the joining client, which registers us at
// Registers that run elsewhere (docs/gatewayworker-protocol.md section 1.4).
// Durations of zero mean their defaults.
type JoinerConfig struct {
	Registers []string     // host:port of each; 1 to 64
	Address   string       // our advertised inner address, a.b.c.d:port
	Secret    string       // the Registers' key
	Log       *slog.Logger // nil: slog.Default

	PingInterval time.Duration // between pings to Registers other than 127.0.0.1; 25 s
	RedialAfter  time.Duration // after a close or a failed dial; 1 s
	DialTimeout  time.Duration // 3 s
}

// Validate returns an error of one line for the first invalid setting.
func (c *JoinerConfig) Validate() error {
	switch {
	case len(c.Registers) == 0 || len(c.Registers) > maxRegisters:
		return fmt.Errorf("%d Registers to join: want 1 to %d", len(c.Registers), maxRegisters)
	case c.Address == "" || len(c.Address) > maxAddress:
		return fmt.Errorf("address %q to join a Register with: want 1 to %d bytes", c.Address, maxAddress)
	case c.PingInterval < 0 || c.RedialAfter < 0 || c.DialTimeout < 0:
		return errors.New("a duration of the joining client is negative")
	}
	for i, address := range c.Registers {
		host, port, err := net.SplitHostPort(address)
		if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || portErr != nil || n == 0 {
			return fmt.Errorf("address %q of a Register to join: want host:port", address)
		}
		if err := hostport.Check(address); err != nil {
			return fmt.Errorf("address %q of a Register to join %w", address, err)
		}
		if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
			return fmt.Errorf("address %q of a Register to join: nobody can connect to it", address)
		}
		if slices.Contains(c.Registers[:i], address) {
			return fmt.Errorf("address %q of a Register to join appears twice", address)
		}
	}
	return nil
}

// Joiner keeps a connection to each Register and registers our address there. All
// methods may be called from any goroutine.
type Joiner struct {
	cfg     JoinerConfig
	dial    func(ctx context.Context, address string) (net.Conn, error)
	now     func() time.Time
	stop    context.CancelFunc
	ctx     context.Context
	running sync.WaitGroup
	start   sync.Once

	connected                            atomic.Int64
	dials, dialErrors, closes, pingsSent atomic.Uint64
}

// NewJoiner checks the configuration. It dials only after Start.
func NewJoiner(cfg JoinerConfig) (*Joiner, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.PingInterval == 0 {
		cfg.PingInterval = 25 * time.Second
	}
	if cfg.RedialAfter == 0 {
		cfg.RedialAfter = time.Second
	}
	if cfg.DialTimeout == 0 {
		cfg.DialTimeout = 3 * time.Second
	}
	dialer := net.Dialer{Timeout: cfg.DialTimeout}
	j := &Joiner{cfg: cfg, now: time.Now, dial: func(ctx context.Context, address string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address)
	}}
	j.ctx, j.stop = context.WithCancel(context.Background())
	return j, nil
}

// Start registers us at every Register, on a goroutine for each, until Close. Call
// it once the inner listener answers. A second call does nothing.
func (j *Joiner) Start() {
	j.start.Do(func() {
		for _, address := range j.cfg.Registers {
			j.running.Add(1)
			go j.keep(address)
		}
	})
}

// Close leaves the Registers, which tell their workers, and waits for that. It may
// be called more than once, and without Start.
func (j *Joiner) Close() {
	j.start.Do(func() {})
	j.stop()
	j.running.Wait()
}

// joinedAfter is how long a connection has lasted that a Register has taken: one with
// another key closes it when it has read the line.
const joinedAfter = 2 * time.Second

// keep dials one Register again and again. Only the first of several failures in a
// row is logged.
func (j *Joiner) keep(address string) {
	defer j.running.Done()
	log, said := j.cfg.Log.With("register", address), false
	for j.ctx.Err() == nil {
		j.dials.Add(1)
		what := "could not join a Register; trying again"
		conn, err := j.dial(j.ctx, address)
		if err != nil {
			j.dialErrors.Add(1)
		} else {
			j.connected.Add(1)
			joined := j.now()
			err = j.stay(patientConn{conn.(stream)}, address)
			j.connected.Add(-1)
			j.closes.Add(1)
			if lasted := j.now().Sub(joined); lasted >= joinedAfter {
				what, said = "a Register that was joined has ended the connection; trying again", said && lasted < time.Minute
			} else if errors.Is(err, io.EOF) {
				err = errors.New("closed by the Register; check the key")
			}
		}
		if j.ctx.Err() != nil {
			return
		}
		if !said {
			said = true
			log.Warn(what, "after", j.cfg.RedialAfter, "err", err)
		}
		select {
		case <-time.After(j.cfg.RedialAfter):
		case <-j.ctx.Done():
		}
	}
}

// stay registers us and sends pings until either side closes.
func (j *Joiner) stay(conn patientConn, address string) error {
	defer conn.Close()
	ended := make(chan error, 1)
	j.running.Add(1)
	go func() { // a Register sends nothing to a gateway; this notices the close
		defer j.running.Done()
		_, err := io.Copy(io.Discard, conn)
		if err == nil {
			err = io.EOF
		}
		ended <- err
	}()
	send := func(line []byte) error {
		_ = conn.SetWriteDeadline(time.Now().Add(j.cfg.DialTimeout))
		_, err := conn.Write(line)
		return err
	}
	if err := send(wire.AppendGatewayConnect(nil, j.cfg.Address, j.cfg.Secret)); err != nil {
		return err
	}
	var tick <-chan time.Time
	if !strings.HasPrefix(address, "127.0.0.1") {
		ticker := time.NewTicker(j.cfg.PingInterval)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case err := <-ended:
			return err
		case <-j.ctx.Done():
			return nil
		case <-tick:
			if err := send(wire.AppendRegisterPing(nil)); err != nil {
				return err
			}
			j.pingsSent.Add(1)
		}
	}
}

// JoinerStats are counts of the joining client since its start.
type JoinerStats struct {
	Connected  int    // Registers to which we are connected now
	Dials      uint64 // tried
	DialErrors uint64 // failed
	Closes     uint64 // connections that ended
	Pings      uint64 // sent
}

// Stats reads the counters.
func (j *Joiner) Stats() JoinerStats {
	return JoinerStats{
		Connected: int(j.connected.Load()), Dials: j.dials.Load(), DialErrors: j.dialErrors.Load(),
		Closes: j.closes.Load(), Pings: j.pingsSent.Load(),
	}
}
