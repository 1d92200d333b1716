// Package controlplane runs a real Kubernetes control plane on this machine: etcd, kube-apiserver and, where asked for,
// kube-controller-manager. Tests start one each, or one for a whole package through Main; the local cluster runs the
// same code with its state kept.
//
// It has what the code under test can tell apart from a real cluster: RBAC, ServiceAccount tokens, schema validation,
// a server that goes away while etcd keeps its data. There are no nodes: workloads are stored and never run. Everything
// listens on 127.0.0.1, and behind certificates.
//
// A missing binary is an error that says how to build it, never a skipped test. The package knows nothing of Keyturn's
// own kinds and servers.
package controlplane
