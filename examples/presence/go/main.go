// The backend of a page that shows who is online. It learns that from castgate's
// events, keeps it in SQLite, and pushes the list when it changes. The PHP example
// beside it does the same.
//
// Environment:
//
//	LISTEN                address of this backend, default 127.0.0.1:8080
//	EVENTS_SECRET         the secrets of --events-secret, separated by blanks
//	DATABASE              file of the database, default presence.sqlite
//	PAGE                  folder of the page, default ../page
//	WS_URL                address the browser connects to, default ws://127.0.0.1:7272/
//	CASTGATE_CONTROL      control port of the gateway, default 127.0.0.1:7273
//	CASTGATE_CONTROL_KEY  control key, if the gateway was started with one
package main

import (
	"cmp"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	castgate "github.com/castgate/castgate-go"
)

func main() {
	gateway, err := castgate.New("", castgate.Options{})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := castgate.NewVerifier(strings.Fields(os.Getenv("EVENTS_SECRET"))...)
	if err != nil {
		log.Fatal("EVENTS_SECRET: ", err)
	}
	online, err := openPresence(cmp.Or(os.Getenv("DATABASE"), "presence.sqlite"))
	if err != nil {
		log.Fatal(err)
	}
	b := &backend{
		gateway: gateway, verifier: verifier, online: online,
		ws: cmp.Or(os.Getenv("WS_URL"), "ws://127.0.0.1:7272/"),
	}
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8080"),
		Handler:           b.routes(cmp.Or(os.Getenv("PAGE"), "../page")),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       time.Minute,
	}
	log.Printf("the page is at http://%s/", server.Addr)
	log.Fatal(server.ListenAndServe())
}
