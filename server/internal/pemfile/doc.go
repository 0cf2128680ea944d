// Package pemfile reads files in PEM, whole or not at all, and tells when they
// change. encoding/pem passes over a block that is cut or damaged, so that half
// a file would be taken for a shorter one: fewer certificates in a chain, fewer
// authorities, fewer keys.
package pemfile
