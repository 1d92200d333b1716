package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/controlplane"
)

// sampleOrganisation is the organisation of config/samples. It is the login server's default, so people need not name it.
const sampleOrganisation = "acme"

// settleTimeout is how long the operator may take to reconcile the samples. Hashing a handful of passwords takes a second.
const settleTimeout = time.Minute

// samples builds the sample organisation, with its password policies and accounts.
func (c *cluster) samples(ctx context.Context) ([]*unstructured.Unstructured, error) {
	return controlplane.Kustomize(ctx, filepath.Join(c.settings.root, "config", "samples"))
}

// applySamples applies the samples in the first run, and waits until every account has a standing. Later runs leave them as they are.
func (c *cluster) applySamples(ctx context.Context) error {
	if c.state.SamplesApplied {
		return nil
	}

	say("Applying the sample organisation of config/samples")

	objects, err := c.samples(ctx)
	if err != nil {
		return err
	}

	if err := controlplane.Apply(ctx, c.plane.Config(), objects...); err != nil {
		return err
	}

	if err := c.waitSettled(ctx, objects); err != nil {
		return err
	}

	c.state.SamplesApplied = true

	return c.state.save(c.settings.dir)
}

func (c *cluster) waitSettled(ctx context.Context, objects []*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()

	reader, err := client.New(c.plane.Config(), client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}

	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()

	for _, object := range objects {
		if object.GetKind() != "UserAccount" {
			continue
		}

		for {
			live := object.DeepCopy()
			if err := reader.Get(ctx, client.ObjectKeyFromObject(object), live); err != nil {
				return fmt.Errorf("reading the sample account %s: %w", object.GetName(), err)
			}

			if hasStanding(live) {
				break
			}

			select {
			case <-ctx.Done():
				return fmt.Errorf("the sample account %s/%s has no standing, see %s: %w", object.GetNamespace(),
					object.GetName(), filepath.Join(c.settings.dir, "logs", "operator.log"), ctx.Err())
			case <-ticker.C:
			}
		}
	}

	return nil
}

func hasStanding(account *unstructured.Unstructured) bool {
	standing, _, _ := unstructured.NestedString(account.Object, "status", "standing")

	return standing != ""
}

// handedOut is what a person of the sample organisation needs for the first login.
type handedOut struct{ namespace, username, password string }

// allHandedOut finds the accounts of the samples that are enabled and whose password is among the samples, too.
func allHandedOut(objects []*unstructured.Unstructured) (all []handedOut) {
	for _, account := range objects {
		if account.GetKind() != "UserAccount" {
			continue
		}

		if access, _, _ := unstructured.NestedString(account.Object, "spec", "access"); access == "Disabled" {
			continue
		}

		name, _, _ := unstructured.NestedString(account.Object, "spec", "password", "secretRef", "name")

		key, set, _ := unstructured.NestedString(account.Object, "spec", "password", "secretRef", "key")
		if !set {
			key = "password"
		}

		password, found := secretValue(objects, account.GetNamespace(), name, key)
		if !found {
			continue
		}

		username, set, _ := unstructured.NestedString(account.Object, "spec", "username")
		if !set {
			username = account.GetName()
		}

		all = append(all, handedOut{account.GetNamespace(), username, password})
	}

	return all
}

func secretValue(objects []*unstructured.Unstructured, namespace, name, key string) (string, bool) {
	for _, secret := range objects {
		if secret.GetKind() != "Secret" || secret.GetNamespace() != namespace || secret.GetName() != name {
			continue
		}

		if plain, found, _ := unstructured.NestedString(secret.Object, "stringData", key); found {
			return plain, true
		}

		encoded, found, _ := unstructured.NestedString(secret.Object, "data", key)
		if plain, err := base64.StdEncoding.DecodeString(encoded); found && err == nil {
			return string(plain), true
		}
	}

	return "", false
}
