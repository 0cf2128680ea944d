package wstest

import "sync"

// Parallel calls f once for each of 0 to n-1, on several goroutines, and returns
// when all calls have returned. Only a test's own goroutine may fail it, so f must
// leave errors to the caller.
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
