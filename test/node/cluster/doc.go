// Package cluster runs a Kubernetes cluster of one real node: a control plane of test/controlplane, with a scheduler, containerd,
// kubelet and kube-proxy (nftables) beside it. Pods run, and Services lead to them. It has no DNS, and its network enforces no
// NetworkPolicy.
//
// It changes mounts and the network of where it runs, and ends nothing that it has started: it is to run in package isolation,
// which does both. It knows nothing of Keyturn. Its files carry the build tag node.
package cluster
