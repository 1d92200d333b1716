// Package writetracker remembers the last write of each object until the controller's cache has it. A controller that decided from
// an older state would make the same write, and send the same event, once more. The package reads and writes no object itself.
package writetracker
