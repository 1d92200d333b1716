package e2e_test

import (
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestKeyRing is about the keys that sign all sessions, so nothing runs beside it.
func TestKeyRing(t *testing.T) {
	o, _ := governed(t, quickly())
	f := newFleet(t, 1)
	p := f.victims(t, o, "signed", 1)[0]
	ring := func() *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "keyturn-signing-keys"}}
	}

	for name, harm := range map[string]func(t *testing.T){
		"lost": func(t *testing.T) { must(t, kube.Delete(t.Context(), ring())) },
		"damaged": func(t *testing.T) {
			damaged := ring()
			update(t, damaged, func() {
				for entry, key := range damaged.Data {
					damaged.Data[entry] = key[:len(key)/2]
				}
			})
		},
		"emptied": func(t *testing.T) {
			emptied := ring()
			update(t, emptied, func() { emptied.Data = nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.sessionOf(t, p)
			harm(t)
			f.ended(t, before, time.Now())

			// It is made anew, and everyone logs in again.
			for _, r := range f.replicas {
				(&person{organisation: o.name, username: p.username, at: r.url}).loginEventually(t, p.password, granted)
			}

			f.awaitEverywhere(t, f.sessionOf(t, p), http.StatusOK)
			f.everywhere(t, before, http.StatusUnauthorized)
		})
	}

	for _, r := range f.replicas { // They start with what they find.
		r.kill()
		r.start(t)
	}

	f.everywhere(t, f.sessionOf(t, p), http.StatusOK)
}
