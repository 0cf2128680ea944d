package integer

import (
	"encoding/json"
	"math/big"
	"testing"
)

func TestDigits(t *testing.T) {
	for number, want := range map[string]string{
		"0": "0", "-0": "0", "0.0": "0", "-0.00": "0", "0e5": "0", "0e99999999999999999999": "0", "-0.0e-7": "0",
		"1000": "1000", "1000.0": "1000", "1000.000": "1000", "1e3": "1000", "1E+3": "1000", "10.00e2": "1000", "1000000e-3": "1000",
		"0.001e6": "1000", "1.5e1": "15", "-7": "-7", "-7.0": "-7", "-70e-1": "-7", "12345678901234567890": "12345678901234567890",
		"1e19": "10000000000000000000", "0.00000000000000000001e20": "1",
	} {
		if got, ok := Digits([]byte(number), 20); !ok || string(got) != want {
			t.Errorf("%s: %q, %t, want %s", number, got, ok, want)
		}
	}
	for _, number := range []string{"1.5", "0.1", "1e-1", "15e-2", "-0.5", "1000.0000000000000000001", "1e20", "1e999999999999999999999",
		"1e-999999999999999999999", "123456789012345678901", "1e9223372036854775807", "12e9223372036854775807", "1e-9223372036854775808"} {
		if got, ok := Digits([]byte(number), 20); ok {
			t.Errorf("%s: %q", number, got)
		}
	}
}

// FuzzDigits compares with exact arithmetic.
func FuzzDigits(f *testing.F) {
	for _, number := range []string{"1000.0", "-1e3", "0.5e1", "1e19", "1e-2", "-0"} {
		f.Add([]byte(number))
	}
	f.Fuzz(func(t *testing.T, number []byte) {
		if !json.Valid(number) || len(number) > 40 || number[0] != '-' && (number[0] < '0' || number[0] > '9') || number[len(number)-1] <= ' ' {
			return
		}
		got, ok := Digits(number, 20)
		var exact big.Rat
		if _, taken := exact.SetString(string(number)); !taken {
			return // an exponent too large for math/big
		}
		most := new(big.Int).Exp(big.NewInt(10), big.NewInt(20), nil)
		whole := exact.IsInt() && new(big.Int).Abs(exact.Num()).Cmp(most) < 0
		if ok != whole || ok && string(got) != exact.Num().String() {
			t.Fatalf("%s: %q, %t, exactly %s", number, got, ok, exact.RatString())
		}
	})
}
