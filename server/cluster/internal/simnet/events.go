package simnet

// event is something to do at a time. Of the same time, the one that was made first
// comes first.
type event struct {
	at    int64
	order uint64
	do    func()
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.order < o.order }

// events are what is to be done, the next one first: a heap. It is container/heap's
// without an interface around each event, as a simulation has millions of them.
type events []event

func (e *events) push(one event) {
	*e = append(*e, one)
	list := *e
	at := len(list) - 1
	for at > 0 {
		parent := (at - 1) / 2
		if !one.before(&list[parent]) {
			break
		}
		list[at] = list[parent]
		at = parent
	}
	list[at] = one
}

func (e *events) pop() event {
	list := *e
	first, last := list[0], list[len(list)-1]
	list[len(list)-1] = event{}
	list = list[:len(list)-1]
	*e = list
	for at := 0; len(list) > 0; {
		child := 2*at + 1
		if child+1 < len(list) && list[child+1].before(&list[child]) {
			child++
		}
		if child >= len(list) || !list[child].before(&last) {
			list[at] = last
			break
		}
		list[at] = list[child]
		at = child
	}
	return first
}
