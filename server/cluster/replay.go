package cluster

// window tells which sequence numbers of one sender have come before. Numbers more
// than windowLen below the highest are taken for old.
type window struct {
	highest uint64
	seen    [windowLen / 64]uint64
}

const windowLen = 8192

// first tells whether a number comes for the first time, and notes it.
func (w *window) first(seq uint64) bool {
	switch {
	case seq > w.highest:
		if seq-w.highest >= windowLen {
			clear(w.seen[:])
		} else {
			for s := w.highest + 1; s < seq; s++ {
				w.seen[s/64%uint64(len(w.seen))] &^= 1 << (s % 64)
			}
		}
		w.highest = seq
	case w.highest-seq >= windowLen, w.seen[seq/64%uint64(len(w.seen))]>>(seq%64)&1 == 1:
		return false
	}
	w.seen[seq/64%uint64(len(w.seen))] |= 1 << (seq % 64)
	return true
}
