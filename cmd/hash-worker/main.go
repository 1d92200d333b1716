// Command hash-worker hashes passwords for the server that starts it: it reads requests from standard input and
// answers on standard output. It opens no files and knows no cluster.
package main

import (
	"fmt"
	"os"

	"github.com/keyturn/keyturn/internal/hash/worker"
)

func main() {
	if len(os.Args) != 2 || os.Args[1] != worker.Argument {
		fmt.Fprintln(os.Stderr, "hash-worker is started by the operator and the login server, not by hand")
		os.Exit(2)
	}
	if err := worker.Main(); err != nil {
		fmt.Fprintln(os.Stderr, "hash-worker:", err)
		os.Exit(1)
	}
}
