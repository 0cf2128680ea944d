// The backend of a page that castgate pushes to: it serves the page, binds the
// page's client_id to a user and a group, and pushes messages, all over the
// gateway's control API. The PHP example beside it does the same.
//
// Environment:
//
//	LISTEN            address of this backend, default 127.0.0.1:8080
//	CASTGATE_CONTROL  address of the control port, default http://127.0.0.1:7273
//	CASTGATE_KEY      control key, if the gateway was started with one
//	CASTGATE_WS       address the browser connects to; default ws://<this host>:7272/
package main

import (
	"cmp"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	gate := newCastgate(cmp.Or(os.Getenv("CASTGATE_CONTROL"), "http://127.0.0.1:7273"), os.Getenv("CASTGATE_KEY"))
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8080"),
		Handler:           newBackend(gate, os.Getenv("CASTGATE_WS")),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	log.Printf("the page is at http://%s/", server.Addr)
	log.Fatal(server.ListenAndServe())
}
