package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/keyturn/keyturn/hack/release/archive"
	"github.com/keyturn/keyturn/hack/release/image"
)

// server is a server that gets an image.
type server struct {
	program, image, text string
	// hashes tells whether it starts hash-worker beside itself.
	hashes bool
}

// worker hashes passwords for a server.
const worker = "hash-worker"

func servers() []server {
	return []server{
		{"operator", "keyturn-operator", "Keyturn's operator: user accounts for Kubernetes, declared in YAML", true},
		{"login", "keyturn-login", "Keyturn's login server: people log in to accounts that are declared in Kubernetes", true},
		{"directory", "keyturn-directory", "Keyturn's directory server: asks identity providers whether they can be used, and who has left", false},
	}
}

// writeImages writes the image of each server.
func (r *release) writeImages(context.Context) error {
	folder := filepath.Join(r.dist, "images")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}

	for _, s := range servers() {
		var variants []image.Platform

		for _, architecture := range architectures() {
			variant := image.Platform{Architecture: architecture}

			programs := []string{s.program}
			if s.hashes {
				programs = append(programs, worker)
			}

			for _, name := range programs {
				program, err := archive.Read(r.program(platform{"linux", architecture}, name), name, 0o755)
				if err != nil {
					return err
				}

				variant.Programs = append(variant.Programs, program)
			}

			variants = append(variants, variant)
		}

		digest, err := image.Write(folder, image.Description{
			Repository: r.registry + "/" + s.image, Title: s.image, Text: s.text, Version: r.version, Commit: r.source.commit,
			Source: "https://github.com/keyturn/keyturn", Created: r.source.time, Entrypoint: "/" + s.program,
		}, variants)
		if err != nil {
			return err
		}

		say("  %s/%s:%s@%s", r.registry, s.image, r.version, digest)
	}

	return nil
}
