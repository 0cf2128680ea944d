// Package openapi pins the tools that test the OpenAPI document: the generator of
// Go clients in go.mod, the TypeScript generator and the linter in
// package-lock.json. The tests are in package e2e; they generate and compile in
// folders of their own.
package openapi

import _ "github.com/oapi-codegen/runtime" // imported by generated clients
