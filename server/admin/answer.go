package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"castgate/server/gateway"
)

// problem is an answer that is an error.
type problem struct {
	status int
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Error implements the error interface.
func (p *problem) Error() string { return p.Code + ": " + p.Detail }

func refused(status int, code, detail string) *problem { return &problem{status, code, detail} }

// problemOf is what an error tells the page.
func problemOf(err error) *problem {
	var p *problem
	var verb *gateway.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &large):
		return refused(http.StatusRequestEntityTooLarge, "body_too_large", "the request is too large")
	case errors.As(err, &verb):
		status := http.StatusBadRequest
		switch verb.Code {
		case gateway.CodeUnknownClient:
			status = http.StatusNotFound
		case gateway.CodeBusy, gateway.CodeStopping, gateway.CodeUnreachable, gateway.CodeDeadline:
			status = http.StatusServiceUnavailable
		}
		return refused(status, string(verb.Code), verb.Detail)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return refused(http.StatusServiceUnavailable, string(gateway.CodeDeadline), "the gateway took too long")
	}
	return refused(http.StatusInternalServerError, "internal", err.Error())
}

// writeJSON answers with JSON.
func writeJSON(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
	return nil
}

// readJSON reads the body of a request: one JSON object with known fields.
func readJSON(r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return refused(http.StatusUnsupportedMediaType, "unsupported_media_type", "send the header Content-Type: application/json")
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refused(http.StatusBadRequest, "invalid_json", err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refused(http.StatusBadRequest, "invalid_json", "something follows the JSON object")
	}
	return nil
}

// partly turns the error of an answer that is good as far as it goes into the nodes
// that are missing.
func partly(err error) (missing []uint16, other error) {
	var incomplete *gateway.Incomplete
	if errors.As(err, &incomplete) {
		return append([]uint16{}, incomplete.Unreachable...), nil
	}
	return nil, err
}
