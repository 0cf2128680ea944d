package events

import "sync"

// heldClients are those who are not read until there is room for their messages.
type heldClients struct {
	mu   sync.Mutex
	keys map[uint64]struct{}
}

// add returns false if the client is there already.
func (h *heldClients) add(key uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.keys[key]; ok {
		return false
	}
	if h.keys == nil {
		h.keys = map[uint64]struct{}{}
	}
	h.keys[key] = struct{}{}
	return true
}

// forget takes out a client that has ended.
func (h *heldClients) forget(key uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.keys, key)
}

// take returns all and empties the set.
func (h *heldClients) take() []uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	keys := make([]uint64, 0, len(h.keys))
	for k := range h.keys {
		keys = append(keys, k)
	}
	h.keys = nil
	return keys
}

func (h *heldClients) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.keys)
}
