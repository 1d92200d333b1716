package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

// fieldOwner is the field manager of what Apply applies: that of kubectl, so that people can go on with kubectl apply --server-side
// without conflicts.
const fieldOwner = client.FieldOwner("kubectl")

// establishTimeout is how long a new kind may take until the API server serves it: normally well under a second.
const establishTimeout = 30 * time.Second

// Kustomize builds a kustomization folder with the kubectl of the control plane, so that no other tool is needed, and
// returns its objects in kubectl's order: definitions and namespaces first. A folder of plain files is none: it needs a
// kustomization.yaml.
func Kustomize(ctx context.Context, dir string) ([]*unstructured.Unstructured, error) {
	kubectl, err := binaries.Find(binaries.Kubectl)
	if err != nil {
		return nil, err
	}

	var stdout, stderr bytes.Buffer

	command := exec.CommandContext(ctx, kubectl, "kustomize", dir)
	command.Stdout, command.Stderr = &stdout, &stderr

	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("kubectl kustomize %s: %w: %s", dir, err, bytes.TrimSpace(stderr.Bytes()))
	}

	return Decode(&stdout)
}

// Decode reads objects from a stream of YAML documents or JSON.
func Decode(stream io.Reader) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(stream, 4<<10)

	var objects []*unstructured.Unstructured

	for {
		object := &unstructured.Unstructured{}

		switch err := decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, fmt.Errorf("decoding manifests: %w", err)
		case len(object.Object) > 0:
			objects = append(objects, object)
		}
	}
}

// ApplyKustomization builds a kustomization folder and applies what it gives: what tests and the local cluster do with
// the folders in config.
func (c *ControlPlane) ApplyKustomization(ctx context.Context, dir string) error {
	objects, err := Kustomize(ctx, dir)
	if err != nil {
		return err
	}

	return Apply(ctx, c.config, objects...)
}

// Apply applies objects on the server side, in the order given, taking over fields from other managers. After a
// CustomResourceDefinition it waits until the kind is served. Warnings of the API server go to config's handler.
func Apply(ctx context.Context, config *rest.Config, objects ...*unstructured.Unstructured) error {
	writer, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}

	for _, object := range objects {
		err := writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), fieldOwner, client.ForceOwnership)
		if err != nil {
			return fmt.Errorf("applying %s: %w", describe(object), err)
		}

		if object.GetKind() == "CustomResourceDefinition" {
			if err := waitServed(ctx, writer, object); err != nil {
				return err
			}
		}
	}

	return nil
}

// waitServed waits until the objects of a CustomResourceDefinition can be listed in every version. Its condition
// Established comes before the API server has routes for it, so the list itself is the probe.
func waitServed(ctx context.Context, reader client.Client, definition *unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, establishTimeout)
	defer cancel()

	group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")

	for _, entry := range versions {
		version, _ := entry.(map[string]any)
		if served, _ := version["served"].(bool); !served {
			continue
		}

		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(group + "/" + fmt.Sprint(version["name"]))
		list.SetKind(kind + "List")

		if err := poll(ctx, func() error { return reader.List(ctx, list, client.Limit(1)) }); err != nil {
			return fmt.Errorf("waiting for %s to be served: %w", describe(definition), err)
		}
	}

	return nil
}

// poll repeats an attempt until it succeeds or ctx ends, and then returns what it last said.
func poll(ctx context.Context, attempt func() error) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()

	for {
		err := attempt()
		if err == nil {
			return nil
		}

		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

func describe(object *unstructured.Unstructured) string {
	if object.GetNamespace() == "" {
		return object.GetKind() + " " + object.GetName()
	}

	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}
