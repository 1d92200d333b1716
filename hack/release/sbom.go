package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

// writeSBOMs lists the modules of each program that is in an image, as its binary names them, with Go's standard library.
func (r *release) writeSBOMs(ctx context.Context) error {
	folder := filepath.Join(r.dist, "sbom")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}

	names := []string{worker}
	for _, s := range servers() {
		names = append(names, s.program)
	}

	for _, architecture := range architectures() {
		for _, name := range names {
			p := platform{"linux", architecture}

			list, err := r.listModules(ctx, r.program(p, name))
			if err != nil {
				return fmt.Errorf("listing the modules of %s for %s: %w", name, p, err)
			}

			file := fmt.Sprintf("%s_%s_%s.cdx.json", name, r.version, p)
			if err := os.WriteFile(filepath.Join(folder, file), list, 0o644); err != nil {
				return err
			}
		}
	}

	return nil
}

func (r *release) listModules(ctx context.Context, program string) ([]byte, error) {
	command := exec.CommandContext(ctx, r.cyclonedxGomod, "bin", "-json", "-std", "-noserial", "-notimestamp", "-version", r.version, program)
	command.Stderr = os.Stderr

	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("cyclonedx-gomod: %w", err)
	}

	return withoutToolHashes(output)
}

// withoutToolHashes takes out the hashes of the tool that wrote the list. They are those of one build of it, which may be older than
// the Go that makes the release, and say nothing about the program.
func withoutToolHashes(list []byte) ([]byte, error) {
	bom := cyclonedx.BOM{}
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(list), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		return nil, fmt.Errorf("reading the list: %w", err)
	}

	if bom.Metadata != nil && bom.Metadata.Tools != nil && bom.Metadata.Tools.Tools != nil {
		for i := range *bom.Metadata.Tools.Tools {
			(*bom.Metadata.Tools.Tools)[i].Hashes = nil
		}
	}

	written := &bytes.Buffer{}
	if err := cyclonedx.NewBOMEncoder(written, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(&bom); err != nil {
		return nil, fmt.Errorf("writing the list: %w", err)
	}

	return written.Bytes(), nil
}
