// Package cloudevents pins the CloudEvents SDK that reads castgate's events in the
// tests of package e2e, which compile testdata/main.go in a folder of their own.
package cloudevents

import _ "github.com/cloudevents/sdk-go/v2" // imported by testdata/main.go
