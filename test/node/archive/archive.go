//go:build node

package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Image is made of programs alone.
type Image struct {
	// Name is the whole of it, with registry and tag.
	Name string
	// Programs are the paths of files, which stand at the root of the image under their own names. The first one is started.
	Programs []string
}

// user is what the images run as: nobody in particular.
const user = "65532:65532"

// Write writes the archive of an image for this machine.
func Write(path string, image Image) error {
	layer, err := layerOf(image.Programs)
	if err != nil {
		return fmt.Errorf("making the layer of %s: %w", image.Name, err)
	}

	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       map[string]any{"User": user, "Entrypoint": []string{"/" + filepath.Base(image.Programs[0])}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	})
	if err != nil {
		return err
	}

	const layerFile = "layer.tar"

	configFile := digest(config) + ".json"

	manifest, err := json.Marshal([]map[string]any{{
		"Config": configFile, "RepoTags": []string{image.Name}, "Layers": []string{layerFile},
	}})
	if err != nil {
		return err
	}

	archive, err := pack(0o644, file{"manifest.json", manifest}, file{configFile, config}, file{layerFile, layer})
	if err != nil {
		return fmt.Errorf("making the archive of %s: %w", image.Name, err)
	}

	return os.WriteFile(path, archive, 0o600)
}

func layerOf(programs []string) ([]byte, error) {
	if len(programs) == 0 {
		return nil, errors.New("it has no program")
	}

	var files []file

	for _, path := range programs {
		content, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return nil, err
		}

		files = append(files, file{filepath.Base(path), content})
	}

	return pack(0o755, files...)
}

type file struct {
	name    string
	content []byte
}

func pack(mode int64, files ...file) ([]byte, error) {
	var packed bytes.Buffer

	writer := tar.NewWriter(&packed)

	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: mode, Size: int64(len(f.content)), Typeflag: tar.TypeReg}
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}

		if _, err := writer.Write(f.content); err != nil {
			return nil, err
		}
	}

	err := writer.Close()

	return packed.Bytes(), err
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)

	return hex.EncodeToString(sum[:])
}
