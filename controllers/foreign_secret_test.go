package controllers_test

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestForeignSecretIsNotRead: the operator never asks for the content of a Secret of another type, whatever an account names.
func TestForeignSecretIsNotRead(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.secret("foreign", initial, func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque })
	w.secret("own", initial)
	foreign, own := w.account("ada", handedOut("foreign")), w.account("grace", handedOut("own"))
	w.eventually(own, ready)
	w.eventually(foreign, notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonSecretNotUsable, "Failed"))
	w.barrier(foreign)

	w.g.Expect(w.reads(o, "own")).To(gomega.Equal(1), "the test sees reads")
	w.g.Expect(w.reads(o, "foreign")).To(gomega.BeZero())
}

// reads counts how often an operator has asked for the content of a Secret.
func (w *world) reads(o *operator, secret string) (n int) {
	o.traffic.mu.Lock()
	defer o.traffic.mu.Unlock()
	for _, path := range o.traffic.contents {
		if strings.HasSuffix(path, "/namespaces/"+w.namespace+"/secrets/"+secret) {
			n++
		}
	}
	return n
}
