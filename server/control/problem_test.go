package control

import (
	"encoding/json"
	"strings"
	"testing"
)

// Every code has a meaning, in the document too, and there is no meaning without a code.
func TestEveryCodeHasAMeaning(t *testing.T) {
	p := start(t, nil)
	_, body, _ := p.ask("GET", "/v1/openapi.json", "")
	var document struct {
		Meanings map[string]string `json:"x-code-meanings"`
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	for code := range statuses {
		if text := document.Meanings[code]; !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %q is no sentence", code, text)
		}
	}
	if len(document.Meanings) != len(statuses) {
		t.Errorf("%d meanings of %d codes", len(document.Meanings), len(statuses))
	}
}
