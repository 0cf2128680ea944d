// Package names knows which uids and groups the nodes of a cluster hold, as hashes of
// 48 bits. A node numbers the changes of its own names ([Own]) and the others keep a
// copy ([Copy]), so that only nodes that may hold a name are asked about it.
//
// A copy that is behind is of no use, and its node is asked about every name. So an
// error can cost a message, and never lose one.
package names
