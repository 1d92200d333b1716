// Package node runs a release of Keyturn on a real node: containers from its images, Services, the kubelet's probes and limits,
// Pod security. It installs, logs in, restarts, kills, takes the API server away, upgrades, rolls back and uninstalls, mostly
// under a load of logins and session checks, and prints what it has measured.
//
// Its files carry the build tag node, since they need Linux, root and a release: `make node-test` provides them. No other target
// runs them; the linters compile them.
//
// Two processes run the tests. The outer one builds what is missing and starts the inner one in namespaces of its own (package
// isolation), where the cluster (package cluster) and the tests run. So nothing is left on the machine but, after a failure, the logs.
package node
