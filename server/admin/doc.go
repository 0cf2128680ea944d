// Package admin is the port of the admin page: a page in the browser that shows what a
// gateway does, finds clients, tells why they ended, and pushes and kicks.
//
// The page and its program are in page/. `make page` bundles them into built/, which is
// embedded. A build without npm has no page; the port then says how to build it.
//
// Who logs in with a key of the control API gets a cookie. The port speaks to
// server/gateway alone.
package admin
