// Command localcluster runs Keyturn on this machine: a control plane without nodes, the operator and the login server,
// each under its own ServiceAccount's token, and a sample organisation. Its state stays in one folder from run to run.
//
//	localcluster run       # what `make run` starts; Ctrl-C ends everything
//	localcluster provider  # what `make provider` starts beside it: a sample identity provider, declared there until Ctrl-C
//	localcluster directory # what `make directory` starts beside it: a sample directory, Samba, declared there until Ctrl-C
//	localcluster forget    # what `make clean-local` does: removes the state
//
// It is for development and for trying Keyturn. It applies the manifests of config as they are, so the servers have the rights that they
// have in a cluster. Of the servers it knows only the flags.
package main
