package server

// A message that comes in pieces is kept until it is whole, where somebody wants
// it whole. It may be as long as Capacity.MaxMessage, and a client may take its
// time, so all of them together are bounded.
const (
	// freeAssembly is up to how many bytes such a message counts for nothing.
	freeAssembly = 64 << 10
	// assemblyMemory is how many bytes they may have together, beyond that. The
	// client that goes over it is closed.
	assemblyMemory = 256 << 20
)

// assemble notes that an inbound keeps size bytes of a message that is not whole.
// False if all keep too much.
func (l *loop) assemble(in *inbound, size int) bool {
	over := max(size-freeAssembly, 0)
	if over == in.assembling {
		return true
	}
	total := l.srv.assembling.Add(int64(over - in.assembling))
	grown := over > in.assembling
	in.assembling = over
	return !grown || total <= assemblyMemory
}
