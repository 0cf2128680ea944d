package verbs

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
)

// payload are the flags that say what to send. "-" reads it from stdin.
type payload struct {
	Text   *string `placeholder:"TEXT" help:"Send text; - reads it from stdin."`
	JSON   *string `name:"json" placeholder:"JSON" help:"Send a JSON value as text; - reads it from stdin."`
	Binary *string `placeholder:"FILE" help:"Send a file's bytes as a binary message; - reads them from stdin."`
}

// inputLimit is the most that is read from stdin or a file for one message, in
// bytes; the gateway's own limit (control-max-body) is lower.
const inputLimit = 64 << 20

// fields adds the payload to the body of a push, under the name of its kind.
func (f *payload) fields(p *process.Process, body map[string]any) error {
	given := 0
	for _, kind := range []*string{f.Text, f.JSON, f.Binary} {
		if kind != nil {
			given++
		}
	}
	if given != 1 {
		return process.Failf(process.ExitUsage, "push: give one of --text, --json, --binary")
	}
	switch {
	case f.Text != nil:
		text, err := argument(p, *f.Text)
		if err == nil && !utf8.Valid(text) {
			err = process.Failf(process.ExitUsage, "--text: not UTF-8; --binary sends any bytes")
		}
		body["text"] = string(text)
		return err
	case f.JSON != nil:
		text, err := argument(p, *f.JSON)
		if err == nil && !json.Valid(text) {
			err = process.Failf(process.ExitUsage, "--json: not a JSON value")
		}
		body["json"] = json.RawMessage(text)
		return err
	}
	var data []byte
	var err error
	if *f.Binary == "-" {
		data, err = argument(p, "-")
	} else {
		data, err = knob.ReadLimitedTo(*f.Binary, inputLimit)
	}
	body["base64"] = data // encoding/json writes bytes as base64
	return err
}

// argument is the value of a flag, or stdin for "-". Empty input is an error:
// most often the program at the other end of the pipe has failed.
func argument(p *process.Process, value string) ([]byte, error) {
	if value != "-" {
		return []byte(value), nil
	}
	data, err := io.ReadAll(io.LimitReader(p.Stdin, inputLimit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("stdin: %w", err)
	case len(data) > inputLimit:
		return nil, fmt.Errorf("stdin: larger than %v", knob.Size(inputLimit))
	case len(data) == 0:
		return nil, process.Failf(process.ExitUsage, "stdin is empty: nothing was sent")
	}
	return data, nil
}
