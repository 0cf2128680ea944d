// Package kubernetes holds manifests of castgate for Kubernetes; its tests decode them,
// and what the chart makes, into the API's own types.
package kubernetes
