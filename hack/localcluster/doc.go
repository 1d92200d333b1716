// Command localcluster runs Keyturn on this machine: a control plane without nodes, the operator and the login server,
// each under its own ServiceAccount's token, and a sample organisation. Its state stays in one folder from run to run.
//
//	localcluster run      # what `make run` starts; Ctrl-C ends everything
//	localcluster forget   # what `make clean-local` does: removes the state
//
// It serves development and trying out. It uses the manifests of config as they are, so that what works here has the
// rights it will have in a cluster, and knows Keyturn's servers by their flags alone.
package main
