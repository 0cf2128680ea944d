// Package history remembers why clients ended and what they were not sent, for minutes
// and in fixed memory, and tells those who watch what happens now.
//
// Event loops and verbs write into it. What they do there is short, and where nobody
// watches and nothing is lost they do nothing but look at one atomic pointer.
package history
