// Command pause holds the namespaces of a Pod: it waits until it is asked to end. Its files carry the build tag node.
package main
