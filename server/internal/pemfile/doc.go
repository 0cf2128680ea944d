// Package pemfile reads PEM files, completely or not at all, and notices when they
// change. encoding/pem skips a block that is truncated or damaged, so half a file
// would pass for a shorter one: fewer certificates in a chain, fewer authorities,
// fewer keys.
package pemfile
