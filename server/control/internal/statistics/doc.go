// Package statistics is what the control port says in numbers: GET /metrics, for
// Prometheus, and GET /v1/stats. Each number is a row of a table (gateway.go,
// port.go) with the names that it has in both; Metrics also counts the requests
// of the port by route, and their durations. It knows neither requests nor the
// server: both readings come from functions.
package statistics
