//go:build tools

// Package tools pins the commands of this family; the harness builds them from here.
package tools

import (
	_ "github.com/traefik/traefik/v3/cmd/traefik"
)
