// Package control is what every rival needs around its library: the flags with
// which the harness starts it, a port for clients, and the small part of
// castgate's control API that the floor also has, so that the same client
// drives all of them.
package control

import (
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// maxBody is the largest payload in bytes, the same as castgate's.
const maxBody = 1 << 20

// Reply is the result of a broadcast: how many clients there were, how many of
// them still wait for the write, and how many of them get nothing.
type Reply struct {
	Matched int `json:"matched"`
	Queued  int `json:"queued"`
	Dropped int `json:"dropped"`
}

// Broadcast pushes payload, which it owns from then on, to every client. It is
// called by several goroutines at once.
type Broadcast func(payload []byte) (Reply, error)

// Main is the whole main function of a rival: it serves clients on --listen and
// broadcast on --control until SIGTERM, then ends the process. The runtime
// raises the open-file limit to the hard limit by itself.
func Main(name string, clients http.Handler, broadcast Broadcast) {
	var pair pair
	flag.StringVar(&pair.cert, "tls-cert", "", "certificate for clients in PEM; TLS is off without it")
	flag.StringVar(&pair.key, "tls-key", "", "private key of the certificate")
	MainOn(name, func(listen string) error { return pair.serve(listen, clients) }, broadcast)
}

// MainOn is [Main] for a library with listeners of its own: serve accepts
// clients at an address and returns only on failure.
func MainOn(name string, serve func(listen string) error, broadcast Broadcast) {
	listen := flag.String("listen", "127.0.0.1:7272", "address for clients")
	control := flag.String("control", "127.0.0.1:7273", "address for POST /v1/push/raw?all=1")
	flag.Parse()
	if err := run(*listen, *control, serve, broadcast); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// pair are the files of a certificate and its key, empty without TLS.
type pair struct{ cert, key string }

// serve serves clients, with TLS if there is a certificate, as
// http.ListenAndServeTLS does.
func (p pair) serve(listen string, clients http.Handler) error {
	front, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	if p.cert == "" {
		return http.Serve(front, clients)
	}
	return http.ServeTLS(front, clients, p.cert, p.key)
}

func run(listen, control string, serve func(string) error, broadcast Broadcast) error {
	back, err := net.Listen("tcp", control)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- serve(listen) }()
	api := &http.Server{Handler: Handler(broadcast), ReadTimeout: time.Minute, IdleTimeout: 5 * time.Minute}
	go func() { failed <- api.Serve(back) }()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-stop:
		return nil
	case err := <-failed:
		return err
	}
}

// Handler serves GET /readyz and POST /v1/push/raw?all=1.
func Handler(broadcast Broadcast) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /v1/push/raw", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "all=1" {
			http.Error(w, "only all=1 is supported", http.StatusBadRequest)
			return
		}
		payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		reply, err := broadcast(payload)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(reply) // it fails if the caller is gone
	})
	return mux
}

// InitMessage has the length of castgate's and is as hard to guess.
func InitMessage() []byte {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return fmt.Appendf(nil, `{"type":"init","client_id":"%x"}`, id)
}
