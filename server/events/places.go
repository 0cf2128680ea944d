package events

import (
	"encoding/json"
	"time"
)

// How far each subscriber is stands in the store, too: one record with all of
// them, now and then. After a crash some events are told again.

func parsePlaces(payload []byte) ([]place, error) {
	var all []place
	err := json.Unmarshal(payload, &all)
	return all, err
}

// writePlaces adds a record of places.
func (j *journal) writePlaces(now time.Time) {
	j.moved, j.wrote = false, now
	var all []place
	for _, s := range *j.events.subscribers.Load() {
		all = append(all, s.place())
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err) // numbers and strings only
	}
	if string(b) == string(j.places) {
		return
	}
	j.places = b
	j.addPlaces()
}

// addPlaces adds the record of places as they were last looked at.
func (j *journal) addPlaces() {
	j.placed = j.number()
	j.arena = append(j.arena, j.places...)
	j.record(kindPlaces)
}

// placesMoved has the journal look at the places again. Any goroutine.
func (e *Events) placesMoved() {
	select {
	case e.moves <- struct{}{}:
	default:
	}
}

// findPlaces gives each URL the place that it had. A URL that is new begins with
// what happens from now on; but where one URL has taken the place of one other, it
// goes on from there.
func findPlaces(urls []string, known []place, next uint64) []place {
	byName := map[string]place{}
	for _, p := range known {
		byName[p.Name] = p
	}
	out := make([]place, len(urls))
	var fresh []int
	for i, url := range urls {
		name := nameOf(url)
		p, ok := byName[name]
		if !ok {
			fresh = append(fresh, i)
			p = place{Name: name}
			for l := range p.Lanes {
				p.Lanes[l] = next
			}
		}
		delete(byName, name)
		out[i] = p
	}
	if len(fresh) == 1 && len(byName) == 1 {
		for _, p := range byName {
			p.Name = out[fresh[0]].Name
			out[fresh[0]] = p
		}
	}
	return out
}
