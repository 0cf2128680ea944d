package gatewayworker

// line is a queue of values, each of which is in at most one line.
type line[E link[E]] struct{ first, last E }

// link is a value that can be in a line: it knows the next one.
type link[E any] interface {
	comparable
	behind() *E
}

func (l *line[E]) empty() bool {
	var none E
	return l.first == none
}

func (l *line[E]) push(e E) {
	var none E
	*e.behind() = none
	if l.first == none {
		l.first = e
	} else {
		*l.last.behind() = e
	}
	l.last = e
}

// pop removes and returns the first value, nil if there is none.
func (l *line[E]) pop() E {
	e := l.first
	var none E
	if e != none {
		l.first, *e.behind() = *e.behind(), none
	}
	return e
}

// spares are values that are kept for reuse.
type spares[E link[E]] struct {
	line line[E]
	n    int
}

// keepSpare is how many values of a kind are kept.
const keepSpare = 1024

// keep keeps a value unless there are enough.
func (s *spares[E]) keep(e E) {
	if s.n < keepSpare {
		s.line.push(e)
		s.n++
	}
}

// get returns a spare value, nil if there is none.
func (s *spares[E]) get() E {
	e := s.line.pop()
	var none E
	if e != none {
		s.n--
	}
	return e
}
