// Package soak runs clients that come and go against one castgate process for a
// long time, with every kind of push, and reports whether the process grows:
// its memory, descriptors, goroutines and threads are sampled, judged by their
// trends, and compared before and after.
//
// loadtest's churn makes and checks the traffic. The same clients come and go
// once before anything is weighed, so that what the process keeps from its
// busiest time is there from the start.
package soak
