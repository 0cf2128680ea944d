// Main reads requests that castgate has sent, one JSON object a line, with the
// CloudEvents SDK, and prints the type, subject and sequence of each event.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	"encoding/json"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/cloudevents/sdk-go/v2/types"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var sent struct {
			Headers map[string]string
			Body    string
		}
		if err := json.Unmarshal(in.Bytes(), &sent); err != nil {
			log.Fatal(err)
		}
		r, err := http.NewRequest(http.MethodPost, "http://x/", strings.NewReader(sent.Body))
		if err != nil {
			log.Fatal(err)
		}
		for name, value := range sent.Headers {
			r.Header.Set(name, value)
		}
		var events []event.Event
		if strings.HasPrefix(r.Header.Get("Content-Type"), event.ApplicationCloudEventsBatchJSON) {
			events, err = cehttp.NewEventsFromHTTPRequest(r)
		} else {
			var one *event.Event
			one, err = binding.ToEvent(r.Context(), cehttp.NewMessageFromHttpRequest(r))
			if err == nil {
				events = []event.Event{*one}
			}
		}
		if err != nil {
			log.Fatal(err)
		}
		for _, e := range events {
			if err := e.Validate(); err != nil {
				log.Fatal(err)
			}
			sequence, err := types.ToInteger(e.Extensions()["sequence"])
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(e.Type(), e.Subject(), sequence)
		}
	}
	if err := in.Err(); err != nil {
		log.Fatal(err)
	}
}
