package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

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
		return refused(http.StatusBadRequest, "invalid_json", wrongIn(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refused(http.StatusBadRequest, "invalid_json", "something follows the JSON object")
	}
	return nil
}

// wrongIn says what is wrong with a body, in the words of JSON and not of Go.
func wrongIn(err error) string {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return "the body is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the body ends within the JSON"
	case !errors.As(err, &kind):
		return strings.TrimPrefix(err.Error(), "json: ")
	}
	where := kind.Field
	if where == "" {
		where = "the body"
	}
	if strings.HasPrefix(kind.Value, "number ") {
		return where + " holds a number that is out of range"
	}
	is, must := kinds[kind.Value], "an object"
	switch kind.Type.Kind() {
	case reflect.String:
		must = kinds["string"]
	case reflect.Bool:
		must = kinds["bool"]
	case reflect.Slice:
		must = kinds["array"]
	case reflect.Uint16:
		must = kinds["number"]
	}
	return where + " holds " + is + " where " + must + " must be"
}

// kinds are the values of JSON as its package names them, with articles.
var kinds = map[string]string{"string": "a string", "bool": "a boolean", "array": "an array", "number": "a number", "object": "an object"}

// partly turns the error of an answer that is good as far as it goes into the nodes
// that are missing.
func partly(err error) (missing []uint16, other error) {
	var incomplete *gateway.Incomplete
	if errors.As(err, &incomplete) {
		return append([]uint16{}, incomplete.Unreachable...), nil
	}
	return nil, err
}
