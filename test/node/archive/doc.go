// Package archive writes images of containers as `docker save` does: enough for the few images that the test on a real node makes
// itself. Those of a release are made elsewhere. Its files carry the build tag node.
package archive
