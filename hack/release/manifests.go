package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

var errImages = errors.New("the manifests do not name the images as expected; look for them in the kustomization.yaml of config/default and of config/directory, and in hack/release/manifests.go")

// part is a folder of config, and the file of the release that has its manifests.
type part struct {
	folder, file string
	// runs are the programs that it starts.
	runs []string
	// header is what the file says first.
	header string
}

// parts are the whole installation, the three parts of it that an uninstallation takes apart, and the server that is installed beside it.
func parts() []part {
	const uninstalling = "The part %s of install.yaml, for uninstalling: docs/uninstall.md."

	installed := []string{"operator", "login"}

	return []part{
		{"default", "install.yaml", installed, "Install and upgrade with: kubectl apply --server-side -f install.yaml"},
		{"servers", "servers.yaml", installed, fmt.Sprintf(uninstalling, "servers")},
		{"data", "data.yaml", nil, fmt.Sprintf(uninstalling, "data")},
		{"guard", "guard.yaml", nil, fmt.Sprintf(uninstalling, "guard")},
		{
			"directory", "directory.yaml", []string{"directory"},
			"The server that identity providers need. After install.yaml: kubectl apply --server-side -f directory.yaml",
		},
	}
}

// writeManifests writes each part into one file, with the images of the release.
func (r *release) writeManifests(ctx context.Context) error {
	for _, p := range parts() {
		if err := r.writePart(ctx, p); err != nil {
			return fmt.Errorf("writing %s: %w", p.file, err)
		}
	}

	return nil
}

func (r *release) writePart(ctx context.Context, p part) error {
	if err := r.writeOverlay(p.folder); err != nil {
		return fmt.Errorf("writing a kustomization with the images: %w", err)
	}

	command := exec.CommandContext(ctx, r.kubectl, "kustomize", r.overlay)
	command.Stderr = os.Stderr

	manifests, err := command.Output()
	if err != nil {
		return fmt.Errorf("kubectl kustomize: %w", err)
	}

	if err := r.checkImages(string(manifests), p.runs); err != nil {
		return err
	}

	header := fmt.Sprintf("# Keyturn %s. %s\n", r.version, p.header)

	return os.WriteFile(filepath.Join(r.dist, p.file), append([]byte(header), manifests...), 0o644)
}

// writeOverlay writes a kustomization that puts the images of the release into a folder of config.
func (r *release) writeOverlay(folder string) error {
	if err := os.MkdirAll(r.overlay, 0o755); err != nil {
		return err
	}

	// kustomize takes other folders by relative paths alone, and resolves links before it looks.
	from, err := filepath.EvalSymlinks(r.overlay)
	if err != nil {
		return err
	}

	to, err := filepath.EvalSymlinks(filepath.Join(r.source.root, "config", folder))
	if err != nil {
		return err
	}

	base, err := filepath.Rel(from, to)
	if err != nil {
		return err
	}

	content := &strings.Builder{}
	fmt.Fprintf(content, "resources:\n- %s\nimages:\n", base)

	for _, s := range servers() {
		fmt.Fprintf(content, "- name: %s/%s\n  newName: %s/%s\n  newTag: %s\n", defaultRegistry, s.image, r.registry, s.image, r.version)
	}

	return os.WriteFile(filepath.Join(r.overlay, "kustomization.yaml"), []byte(content.String()), 0o644)
}

// checkImages returns errImages where the manifests name other images than the release's of these programs, or not each of them once.
func (r *release) checkImages(manifests string, programs []string) error {
	var named, want []string

	for line := range strings.Lines(manifests) {
		if image, ok := strings.CutPrefix(strings.TrimLeft(line, " -"), "image: "); ok {
			named = append(named, strings.TrimSpace(image))
		}
	}

	for _, s := range servers() {
		if slices.Contains(programs, s.program) {
			want = append(want, fmt.Sprintf("%s/%s:%s", r.registry, s.image, r.version))
		}
	}

	slices.Sort(named)
	slices.Sort(want)

	if !slices.Equal(named, want) {
		return fmt.Errorf("it would run %q instead of %q: %w", named, want, errImages)
	}

	return nil
}

// copyHealthCheck copies the check that tells Argo CD whether an account or a policy is healthy.
func (r *release) copyHealthCheck(context.Context) error {
	content, err := os.ReadFile(filepath.Join(r.source.root, "config", "argocd", "health.lua"))
	if err != nil {
		return err
	}

	return os.WriteFile(filepath.Join(r.dist, "health.lua"), content, 0o644)
}
