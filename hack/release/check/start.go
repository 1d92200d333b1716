package main

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	oci "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// startTimeout is how long a program may take to its first line, under emulation.
const startTimeout = time.Minute

// userID is that of image.User.
const userID = 65532

// runner starts the programs of one image.
type runner struct {
	// root has the image's files, and the emulator beside them.
	root string
	// emulator is the path below root; empty for this machine's own architecture.
	emulator string
}

// start starts the server and the hash-worker of an image. The server says which version it is before it misses a cluster.
func (e expected) start(ctx context.Context, img oci.Image, program, architecture string) (err error) {
	root, err := os.MkdirTemp("", "keyturn-rootfs-")
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()

	if err := unpack(img, root); err != nil {
		return err
	}

	r, how := runner{root: root}, "as they are"
	if architecture != runtime.GOARCH {
		if architecture != "arm64" {
			return fmt.Errorf("this machine (%s) starts no programs for %s", runtime.GOARCH, architecture)
		}

		if r.emulator, err = copyEmulator(e.qemu, root); err != nil {
			return err
		}

		how = "emulated"
	}

	line, err := r.firstLine(ctx, "/"+program)
	if err != nil {
		return err
	}

	said := struct{ Msg, Version, Commit string }{}
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		return fmt.Errorf("%s says %q, which is no line of its log: %w", program, line, err)
	}

	if said.Version != e.version || said.Commit != e.commit {
		return fmt.Errorf("%s says %q instead of version %s and commit %s", program, line, e.version, e.commit)
	}

	if err := r.checkWorker(ctx, program); err != nil {
		return err
	}

	fmt.Printf("  %s for %s, %s: %s %s\n", program, architecture, how, said.Msg, said.Version)

	return nil
}

// checkWorker starts the hash-worker of an image, which says that it is not to be started by hand. The image of the directory server has none:
// it knows no password.
func (r runner) checkWorker(ctx context.Context, program string) error {
	if program == "directory" {
		if _, err := os.Stat(filepath.Join(r.root, "hash-worker")); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("there is a hash-worker beside %s: %w", program, err)
		}

		return nil
	}

	hint, err := r.firstLine(ctx, "/hash-worker")
	if err != nil {
		return err
	}

	if !strings.Contains(hint, "not by hand") {
		return fmt.Errorf("hash-worker says %q", hint)
	}

	return nil
}

// firstLine starts a program as the image's user, with the image's files alone, and returns the first line that it logs.
func (r runner) firstLine(ctx context.Context, program string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	command := exec.CommandContext(ctx, program)
	if r.emulator != "" {
		command = exec.CommandContext(ctx, r.emulator, program)
	}

	command.Dir, command.Env = "/", []string{}
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: r.root, Credential: &syscall.Credential{Uid: userID, Gid: userID}}

	stderr, err := command.StderrPipe()
	if err != nil {
		return "", err
	}

	if err := command.Start(); err != nil {
		return "", fmt.Errorf("starting %s: %w", program, err)
	}

	line, err := bufio.NewReader(stderr).ReadString('\n')
	// It has said what it was started for. Some end by themselves then, the others are ended.
	cancel()

	ended := command.Wait()

	if err != nil {
		return "", fmt.Errorf("%s says nothing: %w", program, errors.Join(err, ended))
	}

	return strings.TrimSpace(line), nil
}

// unpack writes the files of an image into a folder, with their modes, as root's.
func unpack(img oci.Image, folder string) error {
	// The folder is the image's root, which its user reads.
	if err := os.Chmod(folder, 0o755); err != nil {
		return err
	}

	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()

	content := mutate.Extract(img)
	defer content.Close()

	for files := tar.NewReader(content); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}

		if err != nil {
			return err
		}

		if err := unpackFile(root, header, files); err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, header *tar.Header, content io.Reader) error {
	switch header.Typeflag {
	case tar.TypeDir:
		return root.Mkdir(header.Name, header.FileInfo().Mode().Perm())
	case tar.TypeReg:
		bytes, err := io.ReadAll(content)
		if err != nil {
			return err
		}

		return root.WriteFile(header.Name, bytes, header.FileInfo().Mode().Perm())
	default:
		return fmt.Errorf("%s is neither file nor folder", header.Name)
	}
}

// copyEmulator puts the emulator into the image's files and returns its path there.
func copyEmulator(qemu, root string) (string, error) {
	content, err := os.ReadFile(filepath.Clean(qemu))
	if err != nil {
		return "", fmt.Errorf("%w; say with -qemu-arm64 where qemu-aarch64-static is (Debian package qemu-user-static)", err)
	}

	return "/qemu", os.WriteFile(filepath.Join(root, "qemu"), content, 0o755)
}
