package archive

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// File is a file or, where the name ends with a slash, a folder. It belongs to root.
type File struct {
	Name    string
	Mode    fs.FileMode
	Content []byte
}

// Read reads a file of this machine.
func Read(path, name string, mode fs.FileMode) (File, error) {
	content, err := os.ReadFile(filepath.Clean(path))

	return File{Name: name, Mode: mode, Content: content}, err
}

// Tar writes files in the order given.
func Tar(w io.Writer, modified time.Time, files []File) error {
	out := tar.NewWriter(w)

	for _, file := range files {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: file.Name, Mode: int64(file.Mode.Perm()), Size: int64(len(file.Content)), ModTime: modified,
		}
		if strings.HasSuffix(file.Name, "/") {
			header.Typeflag = tar.TypeDir
		}

		if err := out.WriteHeader(header); err != nil {
			return fmt.Errorf("writing %s: %w", file.Name, err)
		}

		if _, err := out.Write(file.Content); err != nil {
			return fmt.Errorf("writing %s: %w", file.Name, err)
		}
	}

	return out.Close()
}

// TarGzip makes a .tar.gz.
func TarGzip(path string, modified time.Time, files []File) error {
	return create(path, func(w io.Writer) error {
		compressed := gzip.NewWriter(w)

		return errors.Join(Tar(compressed, modified, files), compressed.Close())
	})
}

// Zip makes a .zip.
func Zip(path string, modified time.Time, files []File) error {
	return create(path, func(w io.Writer) error {
		out := zip.NewWriter(w)

		for _, file := range files {
			header := &zip.FileHeader{Name: file.Name, Method: zip.Deflate, Modified: modified.UTC()}
			header.SetMode(file.Mode)

			entry, err := out.CreateHeader(header)
			if err != nil {
				return fmt.Errorf("writing %s: %w", file.Name, err)
			}

			if _, err := entry.Write(file.Content); err != nil {
				return fmt.Errorf("writing %s: %w", file.Name, err)
			}
		}

		return out.Close()
	})
}

func create(path string, write func(io.Writer) error) error {
	file, err := os.Create(filepath.Clean(path))
	if err != nil {
		return err
	}

	if err := errors.Join(write(file), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}

	return nil
}
