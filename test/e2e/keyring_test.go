package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestKeyRing: when the signing keys are deleted, damaged or emptied, all sessions end and the operator makes new keys. All sessions are
// concerned, so nothing runs beside it.
func TestKeyRing(t *testing.T) {
	o, _ := governed(t, cheapHashing())
	f := newFleet(t, 1)
	p := f.people(t, o, "signed", 1)[0]
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

// TestNoKeys: a login server without signing keys is not ready (/readyz) and alive (/healthz). When the operator has made keys, it is ready
// without a restart.
func TestNoKeys(t *testing.T) {
	o, _ := governed(t, cheapHashing())
	f := newFleet(t, 1)
	p := f.people(t, o, "signed", 1)[0]

	operator.kill()
	must(t, kube.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "keyturn-signing-keys"}}))

	t.Cleanup(func() {
		if t.Failed() { // The operator may still be away, and the tests that come next need it.
			operator.kill()
			must(t, operator.launch())
		}
	})

	for _, r := range f.replicas {
		r.awaitHealth(t, "/readyz", http.StatusServiceUnavailable, "waiting for a signing key")
		r.awaitHealth(t, "/healthz", http.StatusOK, "ok")
	}

	operator.start(t)

	for _, r := range f.replicas {
		r.awaitHealth(t, "/readyz", http.StatusOK, "ok")
	}

	f.awaitEverywhere(t, f.sessionOf(t, p), http.StatusOK)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	must(t, login.waitReady(ctx)) // for the tests that come next
}

// awaitHealth waits until a server says that at its port of health.
func (r *replica) awaitHealth(t *testing.T, path string, code int, text string) {
	t.Helper()
	awaitHealth(t, r.healthURL, path, code, text)
}

func awaitHealth(t *testing.T, healthURL, path string, code int, text string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s answers %d", healthURL+path, code), func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, healthURL+path, http.NoBody)
		if err != nil {
			return err
		}

		response, err := people.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()

		said, err := io.ReadAll(response.Body)
		if err == nil && (response.StatusCode != code || !strings.Contains(string(said), text)) {
			err = fmt.Errorf("it answers %d: %s", response.StatusCode, said)
		}

		return err
	})
}
