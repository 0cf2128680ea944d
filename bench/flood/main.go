// Command flood connects to a TLS server again and again, as fast as it can
// with the CPU time that the rest of the machine leaves it: the clients of a
// real flood run elsewhere, so it runs only when nothing else wants the
// processors (SCHED_IDLE). It ends when its standard input does, and prints how
// many connections succeeded and how many failed.
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	address := flag.String("address", "127.0.0.1:7443", "address of the server, host:port")
	kind := flag.String("kind", "handshakes", "what to do with a connection: connects, hellos, handshakes")
	workers := flag.Int("workers", 32, "concurrent connections, 1 to 1024")
	flag.Parse()
	if err := run(*address, *kind, *workers, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "flood:", err)
		os.Exit(1)
	}
}

func run(address, kind string, workers int, stdin io.Reader, stdout io.Writer) error {
	attack, err := attackOf(kind)
	if err != nil {
		return err
	}
	if workers < 1 || workers > 1024 {
		return fmt.Errorf("workers: %d is not between 1 and 1024", workers)
	}
	if err := standBack(); err != nil {
		return err
	}
	var over atomic.Bool
	var good, bad atomic.Int64
	var attackers sync.WaitGroup
	for range workers {
		attackers.Go(func() {
			for !over.Load() {
				if err := once(address, attack); err != nil {
					bad.Add(1)
					time.Sleep(time.Millisecond) // no free ports, or nothing listens
					continue
				}
				good.Add(1)
			}
		})
	}
	_, _ = io.Copy(io.Discard, stdin)
	// If others use the processors all the time, it may have achieved nothing
	// yet.
	for end := time.Now().Add(firstWithin); good.Load() == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	over.Store(true)
	attackers.Wait()
	_, err = fmt.Fprintln(stdout, good.Load(), bad.Load())
	return err
}

// stoodBack is set in the environment of the restarted process.
const stoodBack = "CASTGATE_FLOOD_STOOD_BACK"

// standBack gives the whole process the policy SCHED_IDLE by restarting it: of
// the threads that a Go program begins with, setting the policy would change
// only those started later.
func standBack() error {
	if os.Getenv(stoodBack) != "" {
		return nil
	}
	runtime.LockOSThread()
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		return fmt.Errorf("SCHED_IDLE: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(program, os.Args, append(os.Environ(), stoodBack+"=1"))
}

const (
	// within limits the time of a connection.
	within = 5 * time.Second
	// firstWithin is how long to wait for the first connection.
	firstWithin = 30 * time.Second
)

func once(address string, attack func(net.Conn) error) error {
	conn, err := net.DialTimeout("tcp", address, within)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.(*net.TCPConn).SetLinger(0) // the port is free at once
	_ = conn.SetDeadline(time.Now().Add(within))
	return attack(conn)
}

// attackOf returns what is done with each connection before it is reset.
func attackOf(kind string) (func(net.Conn) error, error) {
	config := &tls.Config{InsecureSkipVerify: true} // it trusts the server that it floods
	switch kind {
	case "connects":
		return func(net.Conn) error { return nil }, nil
	case "handshakes":
		return func(conn net.Conn) error { return tls.Client(conn, config).Handshake() }, nil
	case "hellos":
		// The same one each time: the server does all the work.
		hello := helloOf(config)
		return func(conn net.Conn) error {
			if _, err := conn.Write(hello); err != nil {
				return err
			}
			_, err := conn.Read(make([]byte, 16<<10))
			return err
		}, nil
	}
	return nil, fmt.Errorf("kind: %q is not one of connects, hellos, handshakes", kind)
}

// helloOf returns a ClientHello.
func helloOf(config *tls.Config) []byte {
	var first recorder
	_ = tls.Client(&first, config).Handshake() // it fails because there is no answer
	return first.wrote
}

// recorder records what is written and answers nothing.
type recorder struct {
	net.Conn
	wrote []byte
}

func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = append(r.wrote, p...)
	return len(p), nil
}

func (r *recorder) Read([]byte) (int, error) { return 0, errors.New("nobody answers") }
