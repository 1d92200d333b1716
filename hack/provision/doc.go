// Command provision builds, from their Go modules, the programs that the Makefile needs and that are not Keyturn's own:
// the control plane of tests and of the local cluster, what a node needs beside it, the generators and linters. Each is
// built once per version into the user's cache folder, where every clone finds it.
//
//	go run ./hack/provision control-plane
//	go run ./hack/provision node
//	go run ./hack/provision path kubectl         # builds one binary of the control plane, and prints its path
//	go run ./hack/provision tool golangci-lint   # prints the path of the binary
//
// Progress goes to standard error. It imports the standard library alone, so that it compiles before anything else is
// downloaded.
package main
