package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/internal/token"
)

// keys waits until the ring has so many usable keys, and returns its Secret.
func (w *world) keys(count int) *corev1.Secret {
	w.t.Helper()
	secret := &corev1.Secret{ObjectMeta: objectMeta(w.system, token.SecretName)}
	w.g.Eventually(func() (int, error) {
		if err := admin.Get(ctx, keyOf(secret), secret); err != nil {
			return 0, err
		}
		ring, _ := token.Decode(secret.Data)
		return ring.Len(), nil
	}, patience, glance).Should(gomega.Equal(count))
	for _, entry := range secret.Data {
		w.hide(string(entry))
	}
	return secret
}

// touchRing has the operator reconcile the ring, which it would do by itself in weeks of real time.
func (w *world) touchRing() {
	w.t.Helper()
	secret := &corev1.Secret{ObjectMeta: objectMeta(w.system, token.SecretName)}
	edit(w, secret, func(s *corev1.Secret) {
		s.Annotations = map[string]string{"test/touched": w.clock.Now().String()}
	})
}

// TestKeyRing: the operator makes the ring, adds keys when they are due, drops old ones, and makes another ring where it was lost.
func TestKeyRing(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	first := w.keys(1)
	ringWrites := func() int { return len(o.traffic.about(token.SecretName)) }
	w.g.Expect(ringWrites()).To(gomega.Equal(1))

	// An entry that cannot be read stays as it is; a key that is due is added beside it.
	broken := []byte("not a key, and yet somebody's")
	edit(w, first, func(s *corev1.Secret) { s.Data["broken"] = broken })
	w.clock.advance(46 * 24 * time.Hour)
	w.touchRing()
	rotated := w.keys(2)
	w.g.Expect(rotated.Data).To(gomega.HaveKeyWithValue("broken", broken))
	for name, entry := range first.Data {
		w.g.Expect(rotated.Data).To(gomega.HaveKeyWithValue(name, entry))
	}

	// A year and a day after it last signed, the first key is dropped.
	for range 12 {
		w.clock.advance(46 * 24 * time.Hour)
		w.touchRing()
		w.g.Eventually(func() bool {
			secret := &corev1.Secret{}
			w.must(admin.Get(ctx, keyOf(first), secret))
			_, newer := newest(secret, w.clock.Now())
			return newer
		}, patience, glance).Should(gomega.BeTrue(), "a new key each time")
	}
	secret := &corev1.Secret{}
	w.must(admin.Get(ctx, keyOf(first), secret))
	for name, entry := range first.Data {
		switch name {
		case "broken":
		case "seed":
			w.g.Expect(secret.Data).To(gomega.HaveKeyWithValue(name, entry))
		default:
			w.g.Expect(secret.Data).NotTo(gomega.HaveKey(name))
		}
	}
	w.g.Expect(len(secret.Data) - 1).To(gomega.BeNumerically("<=", token.MaxKeys))
	w.g.Expect(w.log.String()).To(gomega.ContainSubstring("Some signing keys cannot be read"))

	// A ring that is lost is created again at once.
	w.delete(secret)
	lost := w.keys(1)
	w.g.Expect(lost.UID).NotTo(gomega.Equal(first.UID))
	writes := ringWrites()

	// After a restart there is nothing to do.
	o.stop()
	restarted := w.run()
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	w.g.Expect(restarted.traffic.about(token.SecretName)).To(gomega.BeEmpty())
	w.g.Expect(ringWrites()).To(gomega.Equal(writes))
}

// newest reports when the newest key of a ring was made, and whether that is today.
func newest(secret *corev1.Secret, now time.Time) (time.Time, bool) {
	ring, _ := token.Decode(secret.Data)
	_, changed, when, err := ring.Rotate(now, 45*24*time.Hour, 366*24*time.Hour)
	return when, err == nil && !changed
}
