package archive

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ChecksumsName is the name of the file with the checksums of a folder, in the form of sha256sum(1).
const ChecksumsName = "SHA256SUMS"

// ErrChecksums says that a folder does not have what its checksums say.
var ErrChecksums = errors.New("the files are not those that " + ChecksumsName + " lists")

// WriteChecksums writes the checksums of all files in the folder and in those below, sorted by name.
func WriteChecksums(folder string) error {
	sums, err := checksums(folder)
	if err != nil {
		return err
	}

	return os.WriteFile(filepath.Join(folder, ChecksumsName), sums, 0o644)
}

// CheckChecksums returns ErrChecksums where a file differs, is missing or is not listed.
func CheckChecksums(folder string) error {
	want, err := os.ReadFile(filepath.Join(filepath.Clean(folder), ChecksumsName))
	if err != nil {
		return err
	}

	got, err := checksums(folder)
	if err != nil {
		return err
	}

	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %w", folder, ErrChecksums)
	}

	return nil
}

func checksums(folder string) ([]byte, error) {
	sums := &bytes.Buffer{}
	// fs.WalkDir goes by name, folder by folder.
	err := fs.WalkDir(os.DirFS(folder), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == ChecksumsName {
			return err
		}

		file, err := os.Open(filepath.Join(folder, filepath.FromSlash(path)))
		if err != nil {
			return err
		}
		defer file.Close()

		sum := sha256.New()
		if _, err := io.Copy(sum, file); err != nil {
			return err
		}

		_, err = fmt.Fprintf(sums, "%x  %s\n", sum.Sum(nil), path)

		return err
	})

	return sums.Bytes(), err
}
