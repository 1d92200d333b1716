// Command hash-worker hashes passwords for the login server, which starts it: it reads requests from standard input and
// answers on standard output. It takes no arguments, opens no files and knows no cluster.
package main

import (
	"fmt"
	"os"

	"github.com/keyturn/keyturn/internal/hash/worker"
)

func main() {
	if err := worker.Main(); err != nil {
		fmt.Fprintln(os.Stderr, "hash-worker:", err)
		os.Exit(1)
	}
}
