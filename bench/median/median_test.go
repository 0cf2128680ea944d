package median

import "testing"

func TestOf(t *testing.T) {
	values := []float64{9, 1, 3}
	if got := Of(values); got != 3 || values[0] != 9 {
		t.Errorf("%v of %v", got, values)
	}
	if got := Of([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("%v", got)
	}
}
