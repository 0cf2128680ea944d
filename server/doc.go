// Package server is the gateway: it holds WebSocket clients on a few event
// loops and pushes to them.
//
// Server is the process: its settings, its listeners, how it starts and stops, and what can
// change while it runs. Package loop is the event loops, package verbs what backends ask of
// their clients.
package server
