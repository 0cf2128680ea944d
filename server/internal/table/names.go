package table

import "slices"

// Distinct is names in their order, each once: the list itself if it is so
// already. A few cost no memory.
func Distinct(names []string) []string {
	const few = 16
	if len(names) <= few {
		for i, n := range names {
			if slices.Contains(names[:i], n) {
				return distinctOf(names)
			}
		}
		return names
	}
	return distinctOf(names)
}

func distinctOf(names []string) []string {
	seen := make(map[string]struct{}, len(names))
	once := make([]string, 0, len(names))
	for _, n := range names {
		if _, again := seen[n]; !again {
			seen[n] = struct{}{}
			once = append(once, n)
		}
	}
	return once
}
