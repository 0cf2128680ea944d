package table

import "slices"

// Lists of handles are sorted where they are kept, and so grouped by loop: a handle
// begins with its loop.

// Sorted sorts a list of handles in place and leaves each once.
func Sorted(list []Handle) []Handle {
	slices.Sort(list)
	return slices.Compact(list)
}

// Contains reports whether h is in a sorted list.
func Contains(list []Handle, h Handle) bool {
	if len(list) == 0 {
		return false
	}
	_, found := slices.BinarySearch(list, h)
	return found
}

// Without takes the handles of one sorted list out of another, in place.
func Without(list, exclude []Handle) []Handle {
	if len(exclude) == 0 {
		return list
	}
	return slices.DeleteFunc(list, func(h Handle) bool { return Contains(exclude, h) })
}

// CutLoop cuts the first loop's part off a sorted list, which is not empty.
func CutLoop(list []Handle) (loop int, part, rest []Handle) {
	loop = list[0].Loop()
	n, _ := slices.BinarySearchFunc(list, loop+1, func(h Handle, loop int) int { return h.Loop() - loop })
	return loop, list[:n:n], list[n:]
}
