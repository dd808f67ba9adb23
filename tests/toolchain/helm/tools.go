//go:build tools

// Package tools pins the commands of this family; the harness builds them from here.
package tools

import (
	_ "helm.sh/helm/v4/cmd/helm"
)
