package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

const (
	// accountsWithMetadata, and as many Secrets, have about a megabyte of metadata each: ten times what a server may take, and more.
	accountsWithMetadata = 100
	// maxMetadataMemory is by how much all of them may raise the memory of a server, in bytes.
	maxMetadataMemory = 10 << 20
)

// TestMetadataTakesNoMemory: somebody who may create accounts and password Secrets can give each a megabyte of metadata. Both servers then
// take no more memory than without. They are restarted, so nothing runs beside it.
func TestMetadataTakesNoMemory(t *testing.T) {
	o := newOrganisation(t)

	each := func(ctx context.Context, do func(ctx context.Context, object client.Object) error) {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(8)

		for i := range accountsWithMetadata {
			name := metav1.ObjectMeta{Namespace: o.name, Name: fmt.Sprintf("a%d", i)}

			group.Go(func() error { return do(ctx, &v1alpha1.UserAccount{ObjectMeta: *name.DeepCopy()}) })
			group.Go(func() error {
				return do(ctx, &corev1.Secret{ObjectMeta: name, Type: v1alpha1.SecretTypePassword, Data: map[string][]byte{"password": []byte("Unused-" + name.Name)}})
			})
		}

		must(t, group.Wait())
	}

	t.Cleanup(func() {
		each(context.WithoutCancel(t.Context()), func(ctx context.Context, object client.Object) error {
			return client.IgnoreNotFound(kube.Delete(ctx, object))
		})
	})
	each(t.Context(), func(ctx context.Context, object client.Object) error { return kube.Create(ctx, object) })

	for i := range accountsWithMetadata {
		within(t, time.Minute, "the operator has handled all accounts", func() error {
			a, err := o.get(t, fmt.Sprintf("a%d", i))
			if err == nil && a.Status.ObservedGeneration == 0 {
				err = fmt.Errorf("it has not handled %s", a.Name)
			}

			return err
		})
	}

	restart := func() (login, operator int) { return restarted(t, "login"), restarted(t, "operator") }
	loginBefore, operatorBefore := restart()

	// Nothing bounds the name of an owner. Finalizers would do as well, but take the API server a second for each account.
	metadata, err := json.Marshal(map[string]any{"metadata": metav1.ObjectMeta{
		Annotations: map[string]string{"note": strings.Repeat("x", 200_000)},
		OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "example.org/v1", Kind: "Nothing", Name: strings.Repeat("n", 800_000), UID: "none"},
		},
	}})
	must(t, err)
	each(t.Context(), func(ctx context.Context, object client.Object) error {
		return kube.Patch(ctx, object, client.RawPatch(types.MergePatchType, metadata))
	})

	loginAfter, operatorAfter := restart()
	figure(t, "memory for 1 MB of metadata at each of %d accounts and Secrets: login server %+d KiB, operator %+d KiB",
		accountsWithMetadata, (loginAfter-loginBefore)>>10, (operatorAfter-operatorBefore)>>10)

	if loginAfter-loginBefore > maxMetadataMemory {
		t.Errorf("the login server takes %d KiB more", (loginAfter-loginBefore)>>10)
	}

	if operatorAfter-operatorBefore > maxMetadataMemory {
		t.Errorf("the operator takes %d KiB more", (operatorAfter-operatorBefore)>>10)
	}
}

// restarted starts a server again and returns its memory, when it has taken what it needs: the smallest of some seconds, since the
// garbage of the start is given back bit by bit.
func restarted(t *testing.T, name string) int {
	t.Helper()

	s := map[string]*server{"login": login, "operator": operator}[name]
	s.kill()
	s.start(t)

	smallest := 0
	for deadline := time.Now().Add(12 * time.Second); time.Now().Before(deadline); <-time.After(100 * time.Millisecond) {
		if now := residentBytes(t, s.process.Pid()); smallest == 0 || now < smallest || time.Until(deadline) > 6*time.Second {
			smallest = now
		}
	}

	return smallest
}

// residentBytes is the memory of a process that is its own (Linux).
func residentBytes(t *testing.T, pid int) int {
	t.Helper()

	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)

	_, after, found := bytes.Cut(status, []byte("RssAnon:"))
	if !found {
		t.Fatal("the kernel does not report the memory of a process")
	}

	kib, err := strconv.Atoi(string(bytes.Fields(after)[0]))
	must(t, err)

	return kib << 10
}
