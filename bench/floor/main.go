// Command floor is the lower limit of what a push gateway costs with ordinary
// system calls: a loop of send() over all sockets, one thread per core. It
// accepts WebSocket handshakes, sends castgate's init message, discards what
// clients send, and broadcasts what is posted to its control port. It has no
// uids, groups or back-pressure: a socket that accepts no bytes at once loses
// the message, and the answer says so.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:7272", "address for clients, IPv4 host:port")
	control := flag.String("control", "127.0.0.1:7273", "address for POST /v1/push/raw?all=1")
	flag.Parse()
	if err := run(*listen, *control); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(listen, control string) error {
	var senders []*sender
	for range runtime.GOMAXPROCS(0) {
		s := newSender()
		senders = append(senders, s)
		go s.run()
	}
	front, err := newFront(listen, senders)
	if err != nil {
		return err
	}
	port, err := net.Listen("tcp", control)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- front.run() }()
	server := &http.Server{
		Handler:     newControl(senders),
		ReadTimeout: time.Minute, IdleTimeout: 5 * time.Minute,
	}
	go func() { failed <- server.Serve(port) }()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-stop:
		return nil
	case err := <-failed:
		return err
	}
}
