package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/controlplane"
)

const (
	// providerNamespace is the namespace of the providers' Secrets and certificates.
	providerNamespace = "keyturn-providers"
	// sampleLabel is on all that a sample makes: nothing else is changed or deleted.
	sampleLabel = "keyturn.dev/sample"
)

// newObject makes an object of a kind with further fields.
func newObject(apiVersion, kind, namespace, name string, fields map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: fields}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)

	return o
}

const keyturnVersion = "accounts.keyturn.dev/v1alpha1"

// identityProvider makes an IdentityProvider for the sample organisation.
func identityProvider(name string, spec map[string]any) *unstructured.Unstructured {
	spec["allowedNamespaces"] = map[string]any{"from": "Selector", "selector": map[string]any{
		"matchLabels": map[string]any{"kubernetes.io/metadata.name": sampleOrganisation},
	}}

	o := newObject(keyturnVersion, "IdentityProvider", "", name, map[string]any{"spec": spec})
	// It goes when the sample ends, whatever accounts name it then.
	o.SetAnnotations(map[string]string{"accounts.keyturn.dev/deletion": "Allowed"})

	return o
}

// externalAccount makes an account of the sample organisation.
func externalAccount(username, displayName string, authentication map[string]any) *unstructured.Unstructured {
	return newObject(keyturnVersion, "UserAccount", sampleOrganisation, username, map[string]any{"spec": map[string]any{
		"displayName": displayName, "authentication": authentication,
	}})
}

func labelled(objects ...*unstructured.Unstructured) []*unstructured.Unstructured {
	for _, o := range objects {
		labels := o.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}

		labels[sampleLabel] = "true"
		o.SetLabels(labels)
	}

	return objects
}

// isForeign tells whether the cluster has an object of this kind and name that no sample has made.
func isForeign(ctx context.Context, reader client.Reader, o *unstructured.Unstructured) (bool, error) {
	live := o.DeepCopy()

	switch err := reader.Get(ctx, client.ObjectKeyFromObject(o), live); {
	case isGone(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading %s %s: %w", o.GetKind(), o.GetName(), err)
	default:
		return live.GetLabels()[sampleLabel] == "", nil
	}
}

// isGone tells whether an error says that an object is not there, or its kind.
func isGone(err error) bool { return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) }

// directoryServerObjects are those of config/directory that the directory server needs and that config/default lacks.
func (p *sample) directoryServerObjects(ctx context.Context) ([]*unstructured.Unstructured, error) {
	objects, err := controlplane.Kustomize(ctx, filepath.Join(p.settings.root, "config", "directory"))

	return labelled(objects...), err
}

// applyDirectoryServer applies what the directory server needs, but for what somebody else has applied.
func (p *sample) applyDirectoryServer(ctx context.Context) error {
	reader, err := client.New(p.config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}

	objects, err := p.directoryServerObjects(ctx)
	if err != nil {
		return err
	}

	for _, o := range objects {
		foreign, err := isForeign(ctx, reader, o)
		if err != nil {
			return err
		}

		if foreign {
			continue
		}

		if err := controlplane.Apply(ctx, p.config, o); err != nil {
			return err
		}
	}

	return nil
}

// declarations are those of the provider, with the label of samples.
func (p *sample) declarations() ([]*unstructured.Unstructured, error) {
	objects, err := p.provider.declarations()

	return labelled(objects...), err
}

// declare applies the declarations, and waits until the provider is ready and the accounts can log in.
func (p *sample) declare(ctx context.Context) error {
	objects, err := p.declarations()
	if err != nil {
		return err
	}

	reader, err := client.New(p.config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}

	for _, o := range objects {
		if foreign, err := isForeign(ctx, reader, o); err != nil || foreign {
			return cmp.Or(err, fmt.Errorf("%s %s is there already, and not from this sample: delete it, or do without the sample",
				o.GetKind(), o.GetName()))
		}
	}

	if err := controlplane.Apply(ctx, p.config, objects...); err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()

	ticker := time.NewTicker(500 * time.Millisecond) // A client that asks more often is slowed down.
	defer ticker.Stop()

	for {
		notReady, err := unready(ctx, reader, objects)
		if err != nil || notReady == "" {
			return err
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("%s, see %s: %w", notReady, filepath.Join(p.settings.dir, "logs"), ctx.Err())
		case <-ticker.C:
		}
	}
}

// unready says what is not ready yet.
func unready(ctx context.Context, reader client.Reader, objects []*unstructured.Unstructured) (string, error) {
	for _, o := range objects {
		if o.GetKind() != "UserAccount" && o.GetKind() != "IdentityProvider" {
			continue
		}

		live := o.DeepCopy()
		if err := reader.Get(ctx, client.ObjectKeyFromObject(o), live); err != nil {
			return "", fmt.Errorf("reading %s %s: %w", o.GetKind(), o.GetName(), err)
		}

		switch {
		case o.GetKind() == "UserAccount" && !isTrue(live, "ProviderResolved"):
			return fmt.Sprintf("the IdentityProvider of the account %s is not resolved", o.GetName()), nil
		case o.GetKind() == "IdentityProvider" && !isTrue(live, "Ready"):
			return fmt.Sprintf("the IdentityProvider %s is not ready", o.GetName()), nil
		}
	}

	return "", nil
}

// isTrue tells whether an object has a condition that is true.
func isTrue(o *unstructured.Unstructured, conditionType string) bool {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")

	return slices.ContainsFunc(conditions, func(condition any) bool {
		fields, _ := condition.(map[string]any)

		return fields["type"] == conditionType && fields["status"] == "True"
	})
}

// withdraw deletes what declare and startDirectoryServer apply, and waits until it is gone. What is not there is no error, and
// what others have made stays.
func (p *sample) withdraw(ctx context.Context) error {
	cluster, err := client.New(p.config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}

	server, err := p.directoryServerObjects(ctx)
	if err != nil {
		return err
	}

	declared, err := p.declarations()
	if err != nil {
		return err
	}

	for _, o := range slices.Backward(append(server, declared...)) {
		if err := deleteAndWait(ctx, cluster, o); err != nil {
			return fmt.Errorf("deleting %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}

	return nil
}

func deleteAndWait(ctx context.Context, cluster client.Client, o *unstructured.Unstructured) error {
	if foreign, err := isForeign(ctx, cluster, o); err != nil || foreign {
		return err
	}

	if err := cluster.Delete(ctx, o.DeepCopy()); err != nil {
		if isGone(err) {
			return nil
		}

		return err
	}

	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()

	for {
		err := cluster.Get(ctx, client.ObjectKeyFromObject(o), o.DeepCopy())
		if isGone(err) {
			return nil
		}

		if err != nil {
			return err
		}

		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
