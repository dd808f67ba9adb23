//go:build tools

// Package tools pins the commands of this family; the harness builds them from here.
package tools

import (
	_ "github.com/fluxcd/kustomize-controller"
	_ "github.com/fluxcd/source-controller"
)
