package main

import (
	"testing"
	"time"
)

func TestPackageVersion(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for described, want := range map[string]string{
		"v1.2.3":                       "1.2.3",
		"v1.2.3-rc1":                   "1.2.3~rc1",
		"v1.2.3-4-gabc1234":            "1.2.3+4.abc1234",
		"v1.2.3-rc.1-4-gabc1234-dirty": "1.2.3~rc.1+4.abc1234+dirty",
		"72f90f3":                      "0~git20261130120000.72f90f3",
		"72f90f3-dirty":                "0~git20261130120000.72f90f3.dirty",
		"dev":                          "0~git20261130120000.dev",
	} {
		if got := packageVersion(described, at); got != want {
			t.Errorf("%s: %s, want %s", described, got, want)
		}
	}
}
