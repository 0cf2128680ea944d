package gatewayworker

// line is values one behind the other, each in one line at most.
type line[E link[E]] struct{ first, last E }

// link is what can stand in a line: it knows who is behind it.
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

// pop takes the first one, nil if there is none.
func (l *line[E]) pop() E {
	e := l.first
	var none E
	if e != none {
		l.first, *e.behind() = *e.behind(), none
	}
	return e
}

// spares are values that are kept for further use.
type spares[E link[E]] struct {
	line line[E]
	n    int
}

// keepSpare is how many of a kind are kept.
const keepSpare = 1024

// keep keeps one, unless there are enough.
func (s *spares[E]) keep(e E) {
	if s.n < keepSpare {
		s.line.push(e)
		s.n++
	}
}

// take returns one, nil if there is none.
func (s *spares[E]) take() E {
	e := s.line.pop()
	var none E
	if e != none {
		s.n--
	}
	return e
}
