package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	pageclient "castgate/clients/js"
	"castgate/examples/page"
)

// frame is the document around the page.
//
//go:embed index.html
var frame string

// bodyLimit is the largest request that this backend reads, in bytes.
const bodyLimit = 64 << 10

// backend answers the page's requests.
type backend struct {
	gate   *castgate
	ws     string // address for the browser, "" for port 7272 of the page's host
	logins *logins
	index  *template.Template
	body   template.HTML
}

func newBackend(gate *castgate, ws string) http.Handler {
	body, err := page.Files.ReadFile("page.html")
	if err != nil {
		panic(err) // cannot happen: the page is embedded
	}
	b := &backend{
		gate:   gate,
		ws:     ws,
		logins: newLogins(),
		index:  template.Must(template.New("index").Parse(frame)),
		body:   template.HTML(body),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.page)
	for _, name := range []string{"page.css", "page.js"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, page.Files, name)
		})
	}
	mux.HandleFunc("GET /castgate.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "castgate.js", time.Time{}, bytes.NewReader(pageclient.Script))
	})
	mux.HandleFunc("POST /bind", b.bind)
	mux.HandleFunc("POST /send_message", b.sendMessage)
	return mux
}

func (b *backend) page(w http.ResponseWriter, r *http.Request) {
	ws := b.ws
	if ws == "" {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		ws = "ws://" + net.JoinHostPort(strings.Trim(host, "[]"), "7272") + "/"
	}
	who, ok := b.logins.get(r)
	if !ok {
		who.Group = "lobby"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	b.index.Execute(w, map[string]any{"WS": ws, "Name": who.UID, "Group": who.Group, "Body": b.body})
}

// bind binds the page's client_id to the user and adds it to the group. The login
// is simulated: anyone who enters a name is that user. In a real application the
// uid comes from the login session, never from the request.
func (b *backend) bind(w http.ResponseWriter, r *http.Request) {
	var req struct {
		ClientID string `json:"client_id"`
		Name     string `json:"name"`
		Group    string `json:"group"`
	}
	if !readJSON(w, r, &req) {
		return
	}
	who := login{UID: strings.TrimSpace(req.Name), Group: strings.TrimSpace(req.Group)}
	if req.ClientID == "" || who.UID == "" || who.Group == "" {
		fail(w, http.StatusBadRequest, "client_id, name and group are required")
		return
	}
	if err := b.gate.bind(r.Context(), req.ClientID, who.UID, who.Group); err != nil {
		failWith(w, err)
		return
	}
	if err := b.logins.set(w, who); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	reply(w, http.StatusOK, who)
}

// sendMessage pushes a message from the logged-in user to a client, a uid, a group
// or all.
func (b *backend) sendMessage(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Target    string `json:"target"`
		To        string `json:"to"`
		Text      string `json:"text"`
		ExcludeMe bool   `json:"exclude_me"`
	}
	if !readJSON(w, r, &req) {
		return
	}
	who, ok := b.logins.get(r)
	if !ok {
		fail(w, http.StatusUnauthorized, "bind this page to a name first")
		return
	}
	var to, exclude targets
	switch req.Target {
	case "client":
		to.ClientIDs = []string{req.To}
	case "uid":
		to.UIDs = []string{req.To}
	case "group":
		to.Groups = []string{req.To}
	case "all":
		to.All, req.To = true, ""
	default:
		fail(w, http.StatusBadRequest, "target must be client, uid, group or all")
		return
	}
	if req.ExcludeMe {
		exclude.UIDs = []string{who.UID}
	}
	matched, err := b.gate.push(r.Context(), to, exclude, map[string]string{
		"type": "message",
		"from": who.UID,
		"to":   strings.TrimSpace(req.Target + " " + req.To),
		"text": req.Text,
	})
	if err != nil {
		failWith(w, err)
		return
	}
	reply(w, http.StatusOK, map[string]int{"matched": matched})
}

// readJSON decodes the request, or answers it with an error. Requiring JSON keeps
// out forms on foreign sites: a browser would have to ask first.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "the body must be application/json")
		return false
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(into); err != nil {
		fail(w, http.StatusBadRequest, "the body is not the JSON object that this route expects")
		return false
	}
	return true
}

func reply(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer)
}

func fail(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]string{"error": message})
}

func failWith(w http.ResponseWriter, err error) {
	var p *problem
	switch {
	case !errors.As(err, &p):
		fail(w, http.StatusInternalServerError, err.Error())
	case p.Code == "unknown_client":
		fail(w, p.Status, "this connection has been closed; the page reconnects")
	default:
		fail(w, p.Status, p.Detail)
	}
}
