package archive_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/hack/release/archive"
)

var modified = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func files() []archive.File {
	return []archive.File{
		{Name: "etc/", Mode: 0o755},
		{Name: "etc/program", Mode: 0o755, Content: []byte("a program")},
		{Name: "LICENSE", Mode: 0o644, Content: []byte("a license")},
	}
}

// entry is what is read back of a file.
type entry struct {
	name    string
	mode    fs.FileMode
	content string
}

func want() []entry {
	return []entry{
		{"etc/", 0o755 | fs.ModeDir, ""}, {"etc/program", 0o755, "a program"}, {"LICENSE", 0o644, "a license"},
	}
}

// TestTarGzip: names, modes, contents, owners and times are read back as they were given.
func TestTarGzip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.tar.gz")
	must(t, archive.TarGzip(path, modified, files()))

	compressed, err := gzip.NewReader(bytes.NewReader(read(t, path)))
	must(t, err)

	if !compressed.ModTime.IsZero() || compressed.Name != "" {
		t.Errorf("the compression names a time or a file: %+v", compressed.Header)
	}

	in := tar.NewReader(compressed)

	for _, want := range want() {
		header, err := in.Next()
		must(t, err)

		content, err := io.ReadAll(in)
		must(t, err)

		if got := (entry{header.Name, header.FileInfo().Mode(), string(content)}); got != want {
			t.Errorf("read %v, want %v", got, want)
		}

		if header.Uid != 0 || header.Gid != 0 || header.Uname != "" || !header.ModTime.Equal(modified) {
			t.Errorf("%s belongs to %d (%q) and is of %v", header.Name, header.Uid, header.Uname, header.ModTime)
		}
	}

	if _, err := in.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("there is more: %v", err)
	}
}

// TestZip: names, modes, contents and times are read back as they were given.
func TestZip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.zip")
	must(t, archive.Zip(path, modified, files()[1:]))

	in, err := zip.OpenReader(path)
	must(t, err)

	defer func() { must(t, in.Close()) }()

	if len(in.File) != 2 {
		t.Fatalf("the archive has %d files", len(in.File))
	}

	for i, want := range want()[1:] {
		file, err := in.File[i].Open()
		must(t, err)

		content, err := io.ReadAll(file)
		must(t, err)

		if got := (entry{in.File[i].Name, in.File[i].Mode(), string(content)}); got != want {
			t.Errorf("read %v, want %v", got, want)
		}

		if !in.File[i].Modified.Equal(modified) {
			t.Errorf("%s is of %v", in.File[i].Name, in.File[i].Modified)
		}
	}
}

// TestSameBytes: an archive does not depend on when and in which time zone it is made.
func TestSameBytes(t *testing.T) {
	there := time.FixedZone("there", 5*60*60)

	for name, write := range map[string]func(string, time.Time, []archive.File) error{"tar": archive.TarGzip, "zip": archive.Zip} {
		first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
		must(t, write(first, modified, files()[1:]))
		must(t, write(second, modified.In(there), files()[1:]))

		if !bytes.Equal(read(t, first), read(t, second)) {
			t.Errorf("%s: two archives of the same files differ", name)
		}
	}
}

// TestChecksums: every file is listed, sorted, as sha256sum would; a file that changes, comes or goes is noticed.
func TestChecksums(t *testing.T) {
	folder := t.TempDir()
	must(t, os.Mkdir(filepath.Join(folder, "sub"), 0o755))

	for name, content := range map[string]string{"b": "b", "a": "", "sub/c": "c"} {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644))
	}

	must(t, archive.WriteChecksums(folder))

	const sums = `e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a
3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b
2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6  sub/c
`
	if got := string(read(t, filepath.Join(folder, archive.ChecksumsName))); got != sums {
		t.Errorf("the checksums are\n%s\nwant\n%s", got, sums)
	}

	must(t, archive.CheckChecksums(folder))

	for what, change := range map[string]func() error{
		"a file that differs": func() error { return os.WriteFile(filepath.Join(folder, "b"), []byte("x"), 0o644) },
		"a file too many":     func() error { return os.WriteFile(filepath.Join(folder, "d"), nil, 0o644) },
		"a missing file":      func() error { return os.Remove(filepath.Join(folder, "sub/c")) },
	} {
		must(t, archive.WriteChecksums(folder))
		must(t, change())

		if err := archive.CheckChecksums(folder); !errors.Is(err, archive.ErrChecksums) || !strings.Contains(err.Error(), archive.ChecksumsName) {
			t.Errorf("%s: CheckChecksums() = %v", what, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()

	content, err := os.ReadFile(path)
	must(t, err)

	return content
}
