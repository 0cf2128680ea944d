package quota

// Room is a limited number of bytes that networks share (see Network). An eighth of
// it is a reserve for the first bytes of each network. Of the rest, a network may
// hold three times what is still free, so that some always is: a single network
// gets two thirds of the room, and the more of them ask for much, the less each
// gets. The caller counts what each network holds. A Room is not safe for use by
// several goroutines.
type Room struct {
	each    int // bytes of the reserve that one network may hold
	reserve int // bytes
	rest    int
	first   int // first bytes that are held; those beyond the reserve are of the rest
	shared  int // other bytes that are held
}

// NewRoom returns a room of so many bytes, at least 1,024.
func NewRoom(bytes int) Room {
	return Room{each: bytes / 1024, reserve: bytes / 8, rest: bytes - bytes/8}
}

// Weigh counts that a network which held some bytes now holds another number of
// them. It counts them whether or not they fit.
func (r *Room) Weigh(before, after int) {
	own := min(after, r.each) - min(before, r.each)
	r.first += own
	r.shared += after - before - own
}

// Left returns how many more bytes a network may hold that holds some already.
func (r *Room) Left(held int) int {
	own := min(held, r.each)
	left := max(min(r.each-own, r.reserve-r.first), 0)
	if free := r.rest - r.shared - max(r.first-r.reserve, 0); free > 0 {
		left += min(max(3*free-(held-own), 0), free)
	}
	return left
}

// Eased reports whether a network for which nothing was left may ask again. It
// then has room for several requests, so it need not ask for each.
func (r *Room) Eased(held int) bool { return r.Left(held) >= max(held, r.each) }

// Held returns how many bytes all networks hold.
func (r *Room) Held() int { return r.first + r.shared }
