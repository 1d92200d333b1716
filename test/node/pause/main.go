//go:build node

// Command pause holds the namespaces of a Pod: it waits until it is asked to end. It is all that is in the image for that.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	<-ends
}
