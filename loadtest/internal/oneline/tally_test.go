package oneline

import (
	"fmt"
	"testing"
)

// What a server sends when it closes does not make the report grow without
// limit.
func TestTallyIsBounded(t *testing.T) {
	all := Tally{}
	for i := range 10_000 {
		all.Add(fmt.Sprint("reason ", i), 1)
	}
	if len(all) > maxTexts+1 || all["others"] != 10_000-maxTexts {
		t.Errorf("%d texts, %d others", len(all), all["others"])
	}
}
