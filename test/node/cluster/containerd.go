//go:build node

package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func (c *Cluster) socket() string { return filepath.Join(c.options.Dir, "containerd.sock") }

// startContainerd starts containerd and imports the images.
func (c *Cluster) startContainerd(ctx context.Context) error {
	configs := filepath.Join(c.options.Dir, "etc")
	networks := filepath.Join(configs, "networks")

	if err := os.MkdirAll(networks, 0o700); err != nil {
		return err
	}

	config := filepath.Join(configs, "containerd.toml")
	for path, content := range map[string]string{
		config: c.containerdConfig(networks), filepath.Join(networks, "pods.conflist"): c.networkConfig(),
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}

	program, err := exec.LookPath("containerd")
	if err != nil {
		return fmt.Errorf("looking for containerd, which hack/node installs: %w", err)
	}

	err = c.launch(ctx, "containerd", program, func(ctx context.Context) error { return c.ctr(ctx, "version") }, "--config="+config)
	if err != nil {
		return err
	}

	for _, image := range c.options.Images {
		if err := c.ctr(ctx, "images import "+image); err != nil {
			return err
		}
	}

	return nil
}

func (c *Cluster) ctr(ctx context.Context, command string) error {
	return run(ctx, "ctr --address="+c.socket()+" --namespace=k8s.io "+command)
}

// containerdConfig keeps everything in the cluster's folder. Where the kernel does not let containerd lower a process's score for when
// memory runs out, containers start all the same.
func (c *Cluster) containerdConfig(networks string) string {
	state := filepath.Join(c.options.Dir, "containerd")

	return fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
  address = %q
[plugins."io.containerd.internal.v1.opt"]
  path = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
`, filepath.Join(state, "root"), filepath.Join(state, "state"), c.socket(), filepath.Join(state, "opt"), SandboxImage,
		c.options.NetworkPlugins, networks)
}
