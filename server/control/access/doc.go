// Package access says who may use a control port: keys with their scopes and the
// file that holds them, networks that callers connect from, and origins of pages
// in browsers. Access is how people set it, Checker how requests are checked
// against it. It opens no socket and answers nobody.
package access
