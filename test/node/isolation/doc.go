// Package isolation runs a program in namespaces of its own for processes, mounts and the network, so that a whole node can run on
// a machine and leave nothing behind: when the program ends, in whatever way, the kernel ends every process that it has started,
// and mounts and network interfaces go with the namespaces. What no namespace holds (control groups, some settings of the
// kernel) is put back afterwards, unless the outer process is killed without warning: then empty control groups are left.
//
// It needs Linux and root, and knows nothing of what runs. Its files carry the build tag node.
package isolation
