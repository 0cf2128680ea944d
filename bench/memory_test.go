package bench

import (
	"slices"
	"testing"

	"castgate/bench/kernel"
)

// What can't be read is left out, and the result says why, once.
func TestKernelThatTellsNothing(t *testing.T) {
	var round samples
	b := &bench{result: newResult(Defaults())}
	none := usage{kernel: kernel.Memory{Sockets: -1, Available: -1}}
	all := none
	all.kernel.Missing = []string{"slab caches: permission denied"}
	for range 2 {
		memoryScenario{b}.addKernel("memory, bare", Floor, &none, &all, 10, &round)
	}
	if len(round) != 0 || !slices.Equal(b.result.Skipped, []string{"memory: kernel: slab caches: permission denied"}) {
		t.Errorf("%+v, %q", round, b.result.Skipped)
	}
}
