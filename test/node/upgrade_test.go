//go:build node

package node_test

import (
	"path/filepath"
	"testing"
)

// testUpgrade upgrades from the previous state to the release, goes back and forward again, with people at work.
func testUpgrade(t *testing.T) {
	former := filepath.Join(dir, "previous")

	apply(t, "-k "+former)
	awaitInstalled(t)

	for _, name := range []string{"lin", "ada", "joan", "grace"} {
		people = append(people, settle(t, name))
	}

	for _, step := range []struct{ what, manifests string }{
		{"upgrade from " + previous(), "-f " + release(t)},
		{"roll back to " + previous(), "-k " + former},
		{"upgrade again", "-f " + release(t)},
	} {
		underLoad(t, step.what, func() {
			apply(t, step.manifests)
			awaitRollout(t)
		})
	}
}
