package image

import (
	"fmt"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	oci "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Write writes an image into the folder: an OCI layout TITLE with an index of all architectures, and TITLE-linux-ARCHITECTURE.tar for each of
// them, as docker and containerd load it. It returns the digest of the index, which is what a registry will call the image.
func Write(folder string, d Description, platforms []Platform) (oci.Hash, error) {
	tag, err := name.NewTag(d.Repository + ":" + d.Version)
	if err != nil {
		return oci.Hash{}, fmt.Errorf("naming the image: %w", err)
	}

	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)

	for _, p := range platforms {
		img, err := build(d, p)
		if err != nil {
			return oci.Hash{}, fmt.Errorf("making the image for %s: %w", p.Architecture, err)
		}

		archive := filepath.Join(folder, fmt.Sprintf("%s-linux-%s.tar", d.Title, p.Architecture))
		if err := tarball.WriteToFile(archive, tag, img); err != nil {
			return oci.Hash{}, fmt.Errorf("writing %s: %w", archive, err)
		}

		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: oci.Descriptor{Platform: &oci.Platform{OS: "linux", Architecture: p.Architecture}},
		})
	}

	// A registry shows the annotations of the index, and has no other description of an image for several architectures.
	annotated, ok := mutate.Annotations(index, d.labels()).(oci.ImageIndex)
	if !ok {
		return oci.Hash{}, fmt.Errorf("annotating the index of %s: it is no index any more", d.Title)
	}

	written, err := layout.Write(filepath.Join(folder, d.Title), empty.Index)
	if err != nil {
		return oci.Hash{}, fmt.Errorf("writing the layout of %s: %w", d.Title, err)
	}

	// What skopeo and containerd take the name from.
	names := map[string]string{"org.opencontainers.image.ref.name": d.Version, "io.containerd.image.name": tag.Name()}
	if err := written.AppendIndex(annotated, layout.WithAnnotations(names)); err != nil {
		return oci.Hash{}, fmt.Errorf("writing the layout of %s: %w", d.Title, err)
	}

	return annotated.Digest()
}
