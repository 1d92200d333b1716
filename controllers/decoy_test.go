package controllers_test

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/credential"
)

// TestDecoys: the operator creates all decoys once, and one again that was deleted. It leaves their content alone, also when it starts again.
func TestDecoys(t *testing.T) {
	w := newWorld(t)
	w.decoys = true
	first := w.run()
	decoys := func(g gomega.Gomega) map[string]corev1.Secret {
		list := &corev1.SecretList{}
		g.Expect(admin.List(ctx, list, client.InNamespace(w.credentials), client.MatchingFields{"type": string(credential.DecoyType)})).To(gomega.Succeed())
		found := map[string]corev1.Secret{}
		for _, s := range list.Items {
			found[s.Name] = s
		}
		return found
	}
	all := gomega.HaveLen(credential.Decoys)
	w.g.Eventually(func(g gomega.Gomega) { g.Expect(decoys(g)).To(all) }, patience, glance).Should(gomega.Succeed())

	first.stop()

	used := decoys(w.g)[credential.DecoyName(7)]
	used.Data["names"] = []byte("somebody 3 0")
	w.must(admin.Update(ctx, &used))
	second := w.run()
	lost := decoys(w.g)[credential.DecoyName(9)]
	w.must(admin.Delete(ctx, &lost))
	w.g.Eventually(func(g gomega.Gomega) { g.Expect(decoys(g)).To(all) }, patience, glance).Should(gomega.Succeed())
	if written := second.traffic.toSecrets(w.credentials); written != 1 {
		t.Errorf("another start has written %d Secrets, want the 1 that was lost", written)
	}
	if got := decoys(w.g)[used.Name]; string(got.Data["names"]) != "somebody 3 0" {
		t.Errorf("what was counted is lost: %q", got.Data["names"])
	}
}

// toSecrets counts the writes to Secrets of a namespace.
func (t *traffic) toSecrets(namespace string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, r := range t.writes {
		if strings.Contains(r.path, "/namespaces/"+namespace+"/secrets") {
			n++
		}
	}
	return n
}
