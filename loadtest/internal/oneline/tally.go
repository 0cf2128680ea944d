package oneline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Tally counts texts. It is bounded, since some texts come from the server.
type Tally map[string]int

// maxTexts is the number of different texts that are counted separately.
const maxTexts = 32

func (t Tally) Add(text string, n int) {
	if _, known := t[text]; !known && len(t) >= maxTexts {
		text = "others"
	}
	t[text] += n
}

// Counts lists texts with their counts, the most frequent first.
func Counts(m map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	for i, k := range keys {
		keys[i] = fmt.Sprintf("%s: %d", k, m[k])
	}
	return strings.Join(keys, ", ")
}
