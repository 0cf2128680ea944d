// Command noop is an HTTP server that does nothing: a fasthttp handler with one
// fixed answer, which castgate gives to a push that has reached one client. It
// is the baseline for castgate's control port.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// maxBody is the largest accepted body in bytes, the same as castgate's.
const maxBody = 1 << 20

var (
	answer      = []byte(`{"matched":1,"queued":1,"dropped":0}`)
	contentType = []byte("application/json")
)

func main() {
	// The harness gives every server a port for clients; this one has none.
	flag.String("listen", "", "accepted and ignored: it holds no WebSockets")
	control := flag.String("control", "127.0.0.1:7273", "address for HTTP requests of any kind")
	flag.Parse()
	if err := run(*control); err != nil {
		fmt.Fprintln(os.Stderr, "noop:", err)
		os.Exit(1)
	}
}

func run(control string) error {
	// Configured like castgate's control port.
	server := &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.Response.Header.SetContentTypeBytes(contentType)
			ctx.Response.SetBodyRaw(answer)
		},
		NoDefaultServerHeader: true,
		MaxRequestBodySize:    maxBody,
		ReadTimeout:           time.Minute,
		WriteTimeout:          time.Minute,
		IdleTimeout:           5 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe(control) }()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-stop:
		return nil
	case err := <-failed:
		return err
	}
}
