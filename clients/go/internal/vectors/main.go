// Command vectors makes the calls of a file of jobs and prints a line with the
// outcome of each: e2e/clientvectors_test.go runs it.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	castgate "github.com/castgate/castgate-go"
)

type job struct {
	Name, Address, Key, Call string
	Options                  options
	Args                     json.RawMessage
	Pause                    int
}

type options struct {
	Retries     *int
	Timeout     float64
	RetryPushes bool   `json:"retry_pushes"`
	MaxBody     int    `json:"max_body"`
	MaxCommands int    `json:"max_commands"`
	CA          string `json:"ca"`
	Cert        string `json:"cert"`
	CertKey     string `json:"cert_key"`
}

type result struct {
	Name  string         `json:"name"`
	Value any            `json:"value,omitempty"`
	Error map[string]any `json:"error,omitempty"`
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fatal(err)
	}
	var jobs []job
	if err := json.Unmarshal(text, &jobs); err != nil {
		fatal(err)
	}
	out := json.NewEncoder(os.Stdout)
	clients := map[string]*castgate.Client{}
	for _, j := range jobs {
		time.Sleep(time.Duration(j.Pause) * time.Millisecond)
		name := fmt.Sprintf("%s %s %+v", j.Address, j.Key, j.Options)
		if clients[name] == nil {
			if clients[name], err = castgate.New(j.Address, j.Options.build(j.Key)); err != nil {
				fatal(err)
			}
		}
		value, err := carryOut(context.Background(), clients[name], j.Call, j.Args)
		r := result{Name: j.Name, Value: value}
		if err != nil {
			r = result{Name: j.Name, Error: failure(err)}
		}
		if err := out.Encode(r); err != nil {
			fatal(err)
		}
	}
}

func (o options) build(key string) castgate.Options {
	built := castgate.Options{
		Key: key, Timeout: time.Duration(o.Timeout * float64(time.Second)), RetryPushes: o.RetryPushes,
		MaxBody: o.MaxBody, MaxCommands: o.MaxCommands,
	}
	if o.Retries != nil {
		built.Retries = *o.Retries
		if built.Retries == 0 {
			built.Retries = -1
		}
	}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			fatal(err)
		}
		built.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		built.TLS.RootCAs.AppendCertsFromPEM(pem)
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.CertKey)
		if err != nil {
			fatal(err)
		}
		built.TLS.Certificates = []tls.Certificate{pair}
	}
	return built
}

func failure(err error) map[string]any {
	var e *castgate.Error
	if !errors.As(err, &e) {
		return map[string]any{"code": "not of castgate: " + err.Error()}
	}
	return map[string]any{"code": e.Code, "status": e.Status, "detail": e.Detail, "sent": e.Sent}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func decode(text json.RawMessage, v any) {
	if err := json.Unmarshal(text, v); err != nil {
		fatal(err)
	}
}

func bytesOf(text string) []byte {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		fatal(err)
	}
	return data
}
