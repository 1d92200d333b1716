package image

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"time"

	oci "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/keyturn/keyturn/hack/release/archive"
)

// User runs the server: a number, since the image has no list of users, and one that the kubelet sees to be no root.
const User = "65532:65532"

// CertificatesName is where Go looks for the certificates of authorities.
const CertificatesName = "etc/ssl/certs/ca-certificates.crt"

// Description is what an image says about itself.
type Description struct {
	// Repository without a tag, such as ghcr.io/keyturn/keyturn-login.
	Repository string
	// Title and Text tell people what it is.
	Title, Text string
	// Version is the tag.
	Version string
	// Commit that it was built from.
	Commit string
	// Source is the address of the code.
	Source string
	// Created is also the time of all files.
	Created time.Time
	// Entrypoint is the path of the server in the image.
	Entrypoint string
}

// Platform is one architecture and its programs.
type Platform struct {
	Architecture string
	Programs     []archive.File
}

// labels are the predefined annotations of OCI: https://specs.opencontainers.org/image-spec/annotations/.
func (d Description) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":       d.Title,
		"org.opencontainers.image.description": d.Text,
		"org.opencontainers.image.version":     d.Version,
		"org.opencontainers.image.revision":    d.Commit,
		"org.opencontainers.image.created":     d.Created.UTC().Format(time.RFC3339),
		"org.opencontainers.image.source":      d.Source,
		"org.opencontainers.image.licenses":    "Apache-2.0",
	}
}

// build makes the image of one architecture: a layer of certificates, which all images of a release share, and a layer of programs.
func build(d Description, p Platform) (oci.Image, error) {
	authorities, err := certificates()
	if err != nil {
		return nil, err
	}

	trust, err := layer(d.Created, []archive.File{
		{Name: "etc/", Mode: 0o755}, {Name: "etc/ssl/", Mode: 0o755}, {Name: "etc/ssl/certs/", Mode: 0o755},
		{Name: CertificatesName, Mode: 0o644, Content: authorities},
	})
	if err != nil {
		return nil, fmt.Errorf("writing the certificates: %w", err)
	}

	programs, err := layer(d.Created, p.Programs)
	if err != nil {
		return nil, fmt.Errorf("writing the programs: %w", err)
	}

	created := oci.Time{Time: d.Created.UTC()}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)

	base, err = mutate.ConfigFile(base, &oci.ConfigFile{
		OS: "linux", Architecture: p.Architecture, Created: created, RootFS: oci.RootFS{Type: "layers"},
		Config: oci.Config{User: User, Entrypoint: []string{d.Entrypoint}, WorkingDir: "/", Labels: d.labels()},
	})
	if err != nil {
		return nil, err
	}

	history := func(comment string) oci.History {
		return oci.History{Created: created, CreatedBy: "make release", Comment: comment}
	}

	return mutate.Append(base,
		mutate.Addendum{Layer: trust, History: history("certificates of public authorities")},
		mutate.Addendum{Layer: programs, History: history("programs of Keyturn " + d.Version)},
	)
}

func layer(modified time.Time, files []archive.File) (oci.Layer, error) {
	content := &bytes.Buffer{}
	if err := archive.Tar(content, modified, files); err != nil {
		return nil, err
	}

	return tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.DefaultCompression), tarball.WithCompressedCaching,
	)
}
