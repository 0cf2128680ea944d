// Package openapi pins what the OpenAPI document is tested with: the generator
// of Go clients in go.mod, those of TypeScript and the linter in
// package-lock.json. The tests are those of package e2e, which generate and
// compile in folders of their own.
package openapi

import _ "github.com/oapi-codegen/runtime" // what generated clients import
