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
	"github.com/keyturn/keyturn/test/oidcprovider"
)

const (
	// providerName is that of the IdentityProvider.
	providerName = "contoso"
	// providerNamespace is the namespace of the providers' Secrets and certificates.
	providerNamespace = "keyturn-providers"
	// providedPerson is somebody of the sample provider who gets an account, and refusedPerson somebody who gets none.
	providedPerson, refusedPerson = "dorothy", "linus"
	// mappedGroup is what a group of the provider is called in Kubernetes.
	mappedGroup = "engineers"
	// providerLabel is on all that make provider makes: nothing else is changed or deleted.
	providerLabel = "keyturn.dev/make-provider"
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

// declarations are the objects that declare the sample provider and an account, in the order in which they are applied.
func declarations(p *oidcprovider.Provider, person oidcprovider.Person) []*unstructured.Unstructured {
	identityProvider := newObject(keyturnVersion, "IdentityProvider", "", providerName, map[string]any{"spec": map[string]any{
		"type":              "EntraID",
		"displayName":       "Contoso",
		"passwordChangeURL": p.PasswordChangeURL(),
		"allowedNamespaces": map[string]any{"from": "Selector", "selector": map[string]any{
			"matchLabels": map[string]any{"kubernetes.io/metadata.name": sampleOrganisation},
		}},
		"oidc": map[string]any{
			"issuer":          p.EntraIssuer(),
			"clientID":        oidcprovider.ClientID,
			"clientSecretRef": map[string]any{"name": providerName + "-client"},
			"caConfigMapRef":  map[string]any{"name": providerName + "-ca"},
		},
		"groupMappings": []any{map[string]any{"from": oidcprovider.EngineersGroup, "to": mappedGroup}},
	}})
	// It goes when the sample provider ends, whatever accounts name it then.
	identityProvider.SetAnnotations(map[string]string{"accounts.keyturn.dev/deletion": "Allowed"})

	return labelled(
		newObject("v1", "ConfigMap", providerNamespace, providerName+"-ca", map[string]any{"data": map[string]any{"ca.crt": string(p.CA())}}),
		newObject("v1", "Secret", providerNamespace, providerName+"-client", map[string]any{
			"type":       "accounts.keyturn.dev/oidc-client",
			"stringData": map[string]any{"clientSecret": p.ClientSecret(), "servers": p.Server()},
		}),
		identityProvider,
		newObject(keyturnVersion, "UserAccount", sampleOrganisation, person.Username, map[string]any{"spec": map[string]any{
			"displayName": person.Name,
			"authentication": map[string]any{
				"type": "External", "providerRef": map[string]any{"name": providerName}, "subject": person.ObjectID,
			},
		}}),
	)
}

func labelled(objects ...*unstructured.Unstructured) []*unstructured.Unstructured {
	for _, o := range objects {
		labels := o.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}

		labels[providerLabel] = "true"
		o.SetLabels(labels)
	}

	return objects
}

// isForeign tells whether the cluster has an object of this kind and name that make provider has not made.
func isForeign(ctx context.Context, reader client.Reader, o *unstructured.Unstructured) (bool, error) {
	live := o.DeepCopy()

	switch err := reader.Get(ctx, client.ObjectKeyFromObject(o), live); {
	case isGone(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading %s %s: %w", o.GetKind(), o.GetName(), err)
	default:
		return live.GetLabels()[providerLabel] == "", nil
	}
}

// isGone tells whether an error says that an object is not there, or its kind.
func isGone(err error) bool { return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) }

// directoryObjects are those of config/directory that the directory server needs and that config/default lacks.
func (p *sampleProvider) directoryObjects(ctx context.Context) ([]*unstructured.Unstructured, error) {
	objects, err := controlplane.Kustomize(ctx, filepath.Join(p.settings.root, "config", "directory"))

	return labelled(objects...), err
}

// applyDirectory applies what the directory server needs, but for what somebody else has applied.
func (p *sampleProvider) applyDirectory(ctx context.Context) error {
	reader, err := client.New(p.config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}

	objects, err := p.directoryObjects(ctx)
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

// declare applies the declarations, and waits until the provider is ready and the account can log in.
func (p *sampleProvider) declare(ctx context.Context) error {
	person, err := oidcprovider.SamplePerson(providedPerson)
	if err != nil {
		return err
	}

	reader, err := client.New(p.config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}

	objects := declarations(p.provider, person)
	for _, o := range objects {
		if foreign, err := isForeign(ctx, reader, o); err != nil || foreign {
			return cmp.Or(err, fmt.Errorf("%s %s is there already, and not from make provider: delete it, or do without make provider",
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

		standing, _, _ := unstructured.NestedString(live.Object, "status", "standing")

		switch {
		case o.GetKind() == "UserAccount" && standing != "Active":
			return fmt.Sprintf("the account %s has the standing %q", o.GetName(), standing), nil
		case o.GetKind() == "IdentityProvider" && !isReady(live):
			return fmt.Sprintf("the IdentityProvider %s is not ready", o.GetName()), nil
		}
	}

	return "", nil
}

func isReady(o *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")

	return slices.ContainsFunc(conditions, func(condition any) bool {
		fields, _ := condition.(map[string]any)

		return fields["type"] == "Ready" && fields["status"] == "True"
	})
}

// withdraw deletes what declare and startDirectory apply, and waits until it is gone. What is not there is no error, and
// what others have made stays.
func (p *sampleProvider) withdraw(ctx context.Context) error {
	cluster, err := client.New(p.config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}

	directory, err := p.directoryObjects(ctx)
	if err != nil {
		return err
	}

	objects := append(directory, declarations(p.provider, oidcprovider.Person{Username: providedPerson})...)

	for _, o := range slices.Backward(objects) {
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
