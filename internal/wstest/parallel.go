package wstest

import "sync"

// Parallel calls f with 0 to n-1, each once, on a number of goroutines, and
// returns when all calls have. A test fails on its own goroutine only, so f
// leaves its errors to the caller.
func Parallel(n, workers int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
