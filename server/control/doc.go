// Package control is the HTTP control port: it turns requests of backends into
// calls of server.Gateway and knows nothing of connections.
//
// A request goes router -> auth -> verb. A verb is one line of the control
// API: it decodes a JSON body strictly, calls one method of the gateway and
// appends the answer. The same verbs serve single requests and /v1/batch.
//
// Strings handed to the gateway may point into the request's body; it copies
// what it keeps.
package control
