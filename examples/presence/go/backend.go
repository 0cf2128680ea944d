package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"mime"
	"net/http"
	"strings"
	"time"

	castgate "github.com/castgate/castgate-go"
)

// backend answers the page and the gateway.
type backend struct {
	gateway  *castgate.Client
	verifier *castgate.Verifier
	online   *presence
	ws       string
}

func (b *backend) routes(page string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir(page)))
	mux.HandleFunc("GET /settings", func(w http.ResponseWriter, _ *http.Request) { reply(w, map[string]string{"ws": b.ws}) })
	mux.HandleFunc("GET /online", b.list)
	mux.HandleFunc("POST /login", b.login)
	mux.HandleFunc("POST /events", b.events)
	return mux
}

// list answers who is online.
func (b *backend) list(w http.ResponseWriter, r *http.Request) {
	list, err := b.online.list(r.Context())
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	reply(w, list)
}

// login binds the page's connection to its user. The login is simulated: anyone who
// enters a name is that user. In a real application the uid comes from the login
// session, never from the request.
func (b *backend) login(w http.ResponseWriter, r *http.Request) {
	// A form of a foreign site cannot send JSON without asking first.
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		http.Error(w, "the body must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	var asked struct {
		ClientID string `json:"client_id"`
		Name     string `json:"name"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&asked); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if _, err := b.gateway.Bind(r.Context(), asked.ClientID, strings.TrimSpace(asked.Name)); err != nil {
		fail(w, http.StatusBadGateway, err)
		return
	}
	reply(w, map[string]bool{"ok": true})
}

// mostEvents is the longest request with events that is read, in bytes.
const mostEvents = 4 << 20

// events takes what the gateway tells. It answers 204 once everything is safe in the
// database; until then the gateway tells it again.
func (b *backend) events(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostEvents))
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	events, err := b.verifier.Verify(r.Header, body)
	if err != nil {
		fail(w, http.StatusUnauthorized, err)
		return
	}
	if err := b.online.apply(r.Context(), events, b.present); err != nil {
		log.Print(err)
		fail(w, http.StatusInternalServerError, err)
		return
	}
	b.tell(r.Context())
	w.WriteHeader(http.StatusNoContent)
}

// present asks the gateway who is there, where events are lost.
func (b *backend) present(ctx context.Context) (uids map[string]string, err error) {
	uids = map[string]string{}
	for row, err := range b.gateway.Clients(ctx, castgate.Filter{}) {
		if err != nil {
			return nil, err
		}
		uids[row.ClientID] = ""
		if row.UID != nil {
			uids[row.ClientID] = *row.UID
		}
	}
	return uids, nil
}

// tell pushes the list to all pages. It does so for events that came again as well:
// this backend may have been killed between the database and the push. A page that
// misses it asks for the list when it connects.
func (b *backend) tell(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	list, err := b.online.list(ctx)
	if err == nil {
		_, err = b.gateway.Push(ctx, castgate.Targets{All: true}, castgate.JSON(list))
	}
	if err != nil {
		log.Print("the list is not pushed: ", err)
	}
}

func reply(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(answer) // whoever has gone does not care
}

func fail(w http.ResponseWriter, status int, err error) { http.Error(w, err.Error(), status) }
