// Command check looks at a finished release: that its files are those of its checksums, that the images are what they have to be, and that
// their programs start in a file system that has nothing but the image's files. `make release-test` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	oci "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/keyturn/keyturn/hack/release/archive"
	"github.com/keyturn/keyturn/hack/release/image"
)

// expected is what the release should be.
type expected struct {
	version, commit, registry string
	// qemu runs the programs for arm64.
	qemu string
}

func main() {
	e := expected{}
	flag.StringVar(&e.version, "version", "", "version of the release")
	flag.StringVar(&e.commit, "commit", "", "commit that it was made from")
	flag.StringVar(&e.registry, "registry", "ghcr.io/keyturn", "where its images will be")
	flag.StringVar(&e.qemu, "qemu-arm64", "qemu-aarch64-static", "path of a static qemu that runs programs for arm64")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if err := e.check(ctx, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

// check checks the release in the folder.
func (e expected) check(ctx context.Context, dist string) error {
	if err := archive.CheckChecksums(dist); err != nil {
		return err
	}

	for _, program := range []string{"operator", "login", "directory"} {
		for _, architecture := range []string{"amd64", "arm64"} {
			if err := e.checkImage(ctx, filepath.Join(dist, "images"), program, architecture); err != nil {
				return fmt.Errorf("the image of %s for %s: %w", program, architecture, err)
			}
		}
	}

	return nil
}

// checkImage checks one image, as the docker archive has it, after it was found to be the one of the OCI layout.
func (e expected) checkImage(ctx context.Context, images, program, architecture string) error {
	title := "keyturn-" + program

	tag, err := name.NewTag(fmt.Sprintf("%s/%s:%s", e.registry, title, e.version))
	if err != nil {
		return err
	}

	archived, err := tarball.ImageFromPath(filepath.Join(images, fmt.Sprintf("%s-linux-%s.tar", title, architecture)), &tag)
	if err != nil {
		return err
	}

	laidOut, err := fromLayout(filepath.Join(images, title), architecture)
	if err != nil {
		return err
	}

	if err := sameConfig(archived, laidOut); err != nil {
		return err
	}

	if err := e.checkConfig(archived, program, architecture); err != nil {
		return err
	}

	return e.start(ctx, archived, program, architecture)
}

// fromLayout finds the image of an architecture in a layout, which has one index.
func fromLayout(folder, architecture string) (oci.Image, error) {
	top, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, err
	}

	list, err := top.IndexManifest()
	if err != nil {
		return nil, err
	}

	if len(list.Manifests) != 1 {
		return nil, fmt.Errorf("the layout has %d entries instead of one", len(list.Manifests))
	}

	index, err := top.ImageIndex(list.Manifests[0].Digest)
	if err != nil {
		return nil, err
	}

	if list, err = index.IndexManifest(); err != nil {
		return nil, err
	}

	for _, entry := range list.Manifests {
		if entry.Platform != nil && entry.Platform.OS == "linux" && entry.Platform.Architecture == architecture {
			return index.Image(entry.Digest)
		}
	}

	return nil, errors.New("the layout does not have it")
}

// sameConfig compares the digests of the configurations, which name the layers too.
func sameConfig(a, b oci.Image) error {
	first, err := a.ConfigName()
	if err != nil {
		return err
	}

	second, err := b.ConfigName()
	if err != nil {
		return err
	}

	if first != second {
		return fmt.Errorf("is %s in the archive and %s in the layout", first, second)
	}

	return nil
}

// checkConfig checks what the image says.
func (e expected) checkConfig(img oci.Image, program, architecture string) error {
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}

	labels := config.Config.Labels
	for _, is := range []struct{ what, got, want string }{
		{"architecture", config.Architecture, architecture},
		{"user", config.Config.User, image.User},
		{"version", labels["org.opencontainers.image.version"], e.version},
		{"commit", labels["org.opencontainers.image.revision"], e.commit},
	} {
		if is.got != is.want {
			return fmt.Errorf("its %s is %q instead of %q", is.what, is.got, is.want)
		}
	}

	if !slices.Equal(config.Config.Entrypoint, []string{"/" + program}) {
		return fmt.Errorf("its entrypoint is %q", config.Config.Entrypoint)
	}

	return nil
}
