// The backend of a page that castgate pushes to: it serves the page, binds the
// page's client_id to a user and a group, and pushes messages, all over the
// gateway's control API. The PHP example beside it does the same.
//
// Environment:
//
//	LISTEN                address of this backend, default 127.0.0.1:8080
//	CASTGATE_CONTROL      host:port of the control port, default 127.0.0.1:7273
//	CASTGATE_CONTROL_KEY  control key, if the gateway was started with one
//	WS_URL                address the browser connects to; default ws://<this host>:7272/
package main

import (
	"cmp"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	gate := newCastgate(cmp.Or(os.Getenv("CASTGATE_CONTROL"), "127.0.0.1:7273"), os.Getenv("CASTGATE_CONTROL_KEY"))
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8080"),
		Handler:           newBackend(gate, os.Getenv("WS_URL")),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	log.Printf("the page is at http://%s/", server.Addr)
	log.Fatal(server.ListenAndServe())
}
