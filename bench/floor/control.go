package main

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/gobwas/ws"

	"castgate/codec"
)

// maxBody is the largest payload in bytes, the same as castgate's.
const maxBody = 1 << 20

// newControl serves the part of castgate's control API that a broadcast needs,
// so that the same client drives both.
func newControl(senders []*sender) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("POST /v1/push/raw", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "all=1" {
			http.Error(w, "floor supports only all=1", http.StatusBadRequest)
			return
		}
		payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		p := broadcast(senders, payload)
		answer(w, map[string]int64{"matched": p.matched.Load(), "queued": 0, "dropped": p.lost.Load()})
	})
	return mux
}

// broadcast makes every sender send payload and returns when all have.
func broadcast(senders []*sender, payload []byte) *push {
	p := &push{frame: codec.AppendFrame(nil, ws.OpText, payload)}
	p.senders.Add(len(senders))
	for _, s := range senders {
		s.pushes <- p
	}
	p.senders.Wait()
	return p
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // it fails if the caller is gone
}
