package hubspot

import "inmail/domain/mailroom"

// Shared is the state that all workers of an installation share.
type Shared = mailroom.Shared

// Memory is the Shared of an installation with one process.
type Memory = mailroom.Memory

// NewMemory returns an empty Memory.
func NewMemory(clock mailroom.Clock) *Memory { return mailroom.NewMemory(clock) }
