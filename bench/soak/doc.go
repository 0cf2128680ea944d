// Package soak holds a swarm of clients that come and go against one
// castgate process for a long time, with every kind of push beside, and says
// whether the process grows: its memory, descriptors, goroutines and threads
// are sampled and judged by their trends, and compared before and after.
//
// Traffic is made and checked by loadtest's churn. A tide of the same clients
// comes and goes before anything is weighed, so that what the process keeps of
// its largest day is there from the start.
package soak
