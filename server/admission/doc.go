// Package admission decides which clients may come in, and how much each may send:
// origins, tokens, limits by address, and for whom a trusted proxy speaks.
//
// A [Policy] is what people set. [Control] makes [Rules] of it, which are immutable;
// another policy replaces them as a whole. Acceptors ask [Control.Connect] about a
// socket, event loops [Control.Decide] about a request. Tokens are checked off the loops
// by [Control.Check]. [Meters] are the allowances of the clients of one loop.
package admission
