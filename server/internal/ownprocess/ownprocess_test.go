package ownprocess

import (
	"os"
	"strconv"
	"testing"
)

// here is what the caller's process shows the process of the test.
const here = "OWNPROCESS_TEST_PID"

// What follows Here runs in another process.
func TestHere(t *testing.T) {
	if os.Getenv(here) == "" {
		t.Setenv(here, strconv.Itoa(os.Getpid()))
		if Here(t) {
			t.Error("the caller goes on in its own process")
		}
		return
	}
	if !Here(t) || os.Getenv(here) == strconv.Itoa(os.Getpid()) {
		t.Error("this is not a process of its own")
	}
}
