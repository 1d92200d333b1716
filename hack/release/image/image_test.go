package image_test

import (
	"archive/tar"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	oci "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/keyturn/keyturn/hack/release/archive"
	"github.com/keyturn/keyturn/hack/release/image"
)

var created = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func description() image.Description {
	return image.Description{
		Repository: "registry.example/keyturn/keyturn-login", Title: "keyturn-login", Text: "Logs people in", Version: "v0.1.0",
		Commit: "0123456789abcdef", Source: "https://example.org/code", Created: created, Entrypoint: "/login",
	}
}

func labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title": "keyturn-login", "org.opencontainers.image.description": "Logs people in",
		"org.opencontainers.image.version": "v0.1.0", "org.opencontainers.image.revision": "0123456789abcdef",
		"org.opencontainers.image.created": "2026-11-29T12:00:00Z", "org.opencontainers.image.source": "https://example.org/code",
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
}

func platform(architecture string) image.Platform {
	return image.Platform{Architecture: architecture, Programs: []archive.File{
		{Name: "login", Mode: 0o755, Content: []byte("login for " + architecture)},
		{Name: "hash-worker", Mode: 0o755, Content: []byte("hash-worker for " + architecture)},
	}}
}

// written writes the image into a new folder.
func written(t *testing.T) (string, oci.Hash) {
	t.Helper()

	folder := t.TempDir()

	digest, err := image.Write(folder, description(), []image.Platform{platform("amd64"), platform("arm64")})
	must(t, err)

	return folder, digest
}

// TestLayout: the layout has one index, by its name, with a valid image for each architecture.
func TestLayout(t *testing.T) {
	folder, digest := written(t)

	top, err := layout.ImageIndexFromPath(filepath.Join(folder, "keyturn-login"))
	must(t, err)

	list, err := top.IndexManifest()
	must(t, err)

	if len(list.Manifests) != 1 || list.Manifests[0].Digest != digest || list.Manifests[0].MediaType != types.OCIImageIndex {
		t.Fatalf("the layout has %+v", list.Manifests)
	}

	names := map[string]string{
		"org.opencontainers.image.ref.name": "v0.1.0", "io.containerd.image.name": "registry.example/keyturn/keyturn-login:v0.1.0",
	}
	if got := list.Manifests[0].Annotations; !reflect.DeepEqual(got, names) {
		t.Errorf("the index is named %v, want %v", got, names)
	}

	index, err := top.ImageIndex(digest)
	must(t, err)
	must(t, validate.Index(index))

	list, err = index.IndexManifest()
	must(t, err)

	if !reflect.DeepEqual(list.Annotations, labels()) {
		t.Errorf("the index is annotated %v, want %v", list.Annotations, labels())
	}

	var architectures []string

	for _, entry := range list.Manifests {
		if entry.MediaType != types.OCIManifestSchema1 || entry.Platform.OS != "linux" {
			t.Errorf("the index has %+v", entry)
		}

		img, err := index.Image(entry.Digest)
		must(t, err)
		check(t, img, entry.Platform.Architecture)

		architectures = append(architectures, entry.Platform.Architecture)
	}

	if want := []string{"amd64", "arm64"}; !slices.Equal(architectures, want) {
		t.Errorf("the index is for %v, want %v", architectures, want)
	}
}

// TestDockerArchives: each archive has the image of one architecture under its tag.
func TestDockerArchives(t *testing.T) {
	folder, _ := written(t)

	for _, architecture := range []string{"amd64", "arm64"} {
		path := filepath.Join(folder, "keyturn-login-linux-"+architecture+".tar")

		content, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(path) })
		must(t, err)

		if want := []string{"registry.example/keyturn/keyturn-login:v0.1.0"}; len(content) != 1 || !slices.Equal(content[0].RepoTags, want) {
			t.Errorf("%s has %+v, want one image with the tag %v", path, content, want)
		}

		tag, err := name.NewTag("registry.example/keyturn/keyturn-login:v0.1.0")
		must(t, err)

		img, err := tarball.ImageFromPath(path, &tag)
		must(t, err)
		must(t, validate.Image(img))
		check(t, img, architecture)
	}
}

// check checks what the image says and which files it has.
func check(t *testing.T, img oci.Image, architecture string) {
	t.Helper()

	config, err := img.ConfigFile()
	must(t, err)

	if config.OS != "linux" || config.Architecture != architecture || !config.Created.Equal(created) {
		t.Errorf("the image is for %s/%s, of %v; want linux/%s, of %v", config.OS, config.Architecture, config.Created, architecture, created)
	}

	if config.Config.User != "65532:65532" || !slices.Equal(config.Config.Entrypoint, []string{"/login"}) {
		t.Errorf("the image starts %q as %q", config.Config.Entrypoint, config.Config.User)
	}

	if !reflect.DeepEqual(config.Config.Labels, labels()) {
		t.Errorf("the labels are %v, want %v", config.Config.Labels, labels())
	}

	want := map[string]string{
		"etc": "", "etc/ssl": "", "etc/ssl/certs": "", "etc/ssl/certs/ca-certificates.crt": "",
		"login": "login for " + architecture, "hash-worker": "hash-worker for " + architecture,
	}

	content := mutate.Extract(img)
	defer content.Close()

	for files := tar.NewReader(content); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}

		must(t, err)

		bytes, err := io.ReadAll(files)
		must(t, err)

		text, expected := want[header.Name]
		delete(want, header.Name)

		switch {
		case !expected:
			t.Errorf("the image has a file %s", header.Name)
		case header.Name == image.CertificatesName:
			checkCertificates(t, bytes)
		case string(bytes) != text:
			t.Errorf("%s is %q, want %q", header.Name, bytes, text)
		}

		if isFolder := header.Typeflag == tar.TypeDir; isFolder != (expected && text == "" && header.Name != image.CertificatesName) {
			t.Errorf("%s is of the type %c", header.Name, header.Typeflag)
		}

		mode := map[bool]int64{true: 0o644, false: 0o755}[header.Name == image.CertificatesName]
		if header.Mode&0o7777 != mode || header.Uid != 0 || header.Gid != 0 || !header.ModTime.Equal(created) {
			t.Errorf("%s has the mode %o, belongs to %d:%d and is of %v", header.Name, header.Mode, header.Uid, header.Gid, header.ModTime)
		}
	}

	if len(want) > 0 {
		t.Errorf("the image lacks %v", want)
	}
}

// checkCertificates checks that the bundle is one of authorities.
func checkCertificates(t *testing.T, bundle []byte) {
	t.Helper()

	count := 0

	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		must(t, err)

		if !certificate.IsCA {
			t.Errorf("%s is no authority", certificate.Subject)
		}

		count++
	}

	if count < 100 {
		t.Errorf("there are %d authorities", count)
	}
}

// TestSameBytes: two runs write the same files, and so the same digests.
func TestSameBytes(t *testing.T) {
	first, _ := written(t)
	second, _ := written(t)

	must(t, archive.WriteChecksums(first))
	must(t, archive.WriteChecksums(second))

	a, err := os.ReadFile(filepath.Join(first, archive.ChecksumsName))
	must(t, err)
	b, err := os.ReadFile(filepath.Join(second, archive.ChecksumsName))
	must(t, err)

	if string(a) != string(b) {
		t.Errorf("the first time:\n%s\nthe second time:\n%s", a, b)
	}
}

// TestRefusesNames: a registry that is none is refused before anything is written.
func TestRefusesNames(t *testing.T) {
	d := description()
	d.Repository = "https://registry.example/keyturn-login"

	if _, err := image.Write(t.TempDir(), d, nil); err == nil {
		t.Error("Write() = nil")
	}
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}
