package controllers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/controllers/certificate"
)

// issuedCertificate waits until the certificate for API servers verifies by the published authority, and returns its Secret.
func (w *world) issuedCertificate() *corev1.Secret {
	w.t.Helper()
	secret := &corev1.Secret{ObjectMeta: objectMeta(w.system, certificate.SecretName)}
	w.g.Eventually(func(g gomega.Gomega) {
		published := &corev1.ConfigMap{}
		g.Expect(admin.Get(ctx, keyOf(&corev1.ConfigMap{ObjectMeta: objectMeta(w.system, certificate.AuthorityName)}), published)).To(gomega.Succeed())
		g.Expect(admin.Get(ctx, keyOf(secret), secret)).To(gomega.Succeed())
		roots := x509.NewCertPool()
		g.Expect(roots.AppendCertsFromPEM([]byte(published.Data["ca.crt"]))).To(gomega.BeTrue())
		pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
		g.Expect(err).NotTo(gomega.HaveOccurred())
		_, err = pair.Leaf.Verify(x509.VerifyOptions{
			DNSName: "keyturn-login-webhook." + w.system + ".svc", Roots: roots, CurrentTime: w.clock.Now(),
		})
		g.Expect(err).NotTo(gomega.HaveOccurred())
	}, patience, glance).Should(gomega.Succeed())
	w.hide(string(secret.Data[corev1.TLSPrivateKeyKey]))
	return secret
}

// TestCertificateForAPIServers: the operator makes the certificate and its authority, renews the certificate when it is due, makes again
// what was deleted, and does nothing else.
func TestCertificateForAPIServers(t *testing.T) {
	w := newWorld(t)
	w.certificates = true
	o := w.run()
	first := w.issuedCertificate()
	w.g.Expect(first.Type).To(gomega.Equal(corev1.SecretTypeTLS))
	writes := func() int {
		return len(o.traffic.about(certificate.SecretName)) + len(o.traffic.about(certificate.AuthorityName))
	}
	w.g.Expect(writes()).To(gomega.Equal(3), "the authority, its publication and the certificate")
	authority := &corev1.Secret{ObjectMeta: objectMeta(w.system, certificate.AuthorityName)}
	w.must(admin.Get(ctx, keyOf(authority), authority))
	w.hide(string(authority.Data[corev1.TLSPrivateKeyKey]))

	// It is renewed by the same authority in its last month. An edit has the operator look, as it does by itself after that time.
	former := string(first.Data[corev1.TLSCertKey]) // The edit below reads the Secret again, which may be renewed by then.
	w.clock.advance(61 * 24 * time.Hour)
	edit(w, first, func(s *corev1.Secret) { s.Annotations = map[string]string{"test/touched": "yes"} })
	w.g.Eventually(func() bool { return string(w.issuedCertificate().Data[corev1.TLSCertKey]) != former }, patience, glance).Should(gomega.BeTrue())
	kept := &corev1.Secret{}
	w.must(admin.Get(ctx, keyOf(authority), kept))
	w.g.Expect(kept.Data).To(gomega.Equal(authority.Data))

	// What is deleted, or damaged, is made again.
	secret := w.issuedCertificate()
	w.delete(secret)
	w.g.Eventually(func() bool { return w.issuedCertificate().UID != secret.UID }, patience, glance).Should(gomega.BeTrue())
	published := &corev1.ConfigMap{ObjectMeta: objectMeta(w.system, certificate.AuthorityName)}
	edit(w, published, func(c *corev1.ConfigMap) { c.Data["ca.crt"] = "another" })
	w.issuedCertificate()

	// Nobody who may edit ConfigMaps can keep a certificate from being renewed, or another authority published.
	edit(w, published, func(c *corev1.ConfigMap) {
		c.Data, c.BinaryData = nil, map[string][]byte{"ca.crt": []byte("another")}
	})
	w.issuedCertificate()
	edit(w, published, func(c *corev1.ConfigMap) {
		c.Data["ca.crt"], c.Immutable, c.Finalizers = "another", new(true), []string{"example.org/kept"}
	})
	w.issuedCertificate()
	w.delete(authority)
	w.g.Eventually(func() error { return admin.Get(ctx, keyOf(authority), authority) }, patience, glance).Should(gomega.Succeed())
	w.g.Expect(authority.UID).NotTo(gomega.Equal(kept.UID))
	w.hide(string(authority.Data[corev1.TLSPrivateKeyKey]))
	w.issuedCertificate()

	// An authority that is damaged is replaced, and one that has ended.
	edit(w, authority, func(s *corev1.Secret) { s.Data[corev1.TLSCertKey] = []byte("damaged") })
	w.g.Eventually(func() bool { return w.authorityIsUsable(authority) }, patience, glance).Should(gomega.BeTrue())
	w.issuedCertificate()
	w.clock.advance(11 * 365 * 24 * time.Hour)
	edit(w, authority, func(s *corev1.Secret) { s.Annotations = map[string]string{"test/touched": "yes"} })
	w.issuedCertificate()

	// After a restart there is nothing to do.
	o.stop()
	restarted := w.run()
	w.secret("ada", initial)
	w.eventually(w.account("ada", handedOut("ada")), ready)
	w.g.Expect(restarted.traffic.about(certificate.SecretName)).To(gomega.BeEmpty())
}

// authorityIsUsable tells whether the authority has a certificate with its key.
func (w *world) authorityIsUsable(authority *corev1.Secret) bool {
	w.t.Helper()
	w.must(admin.Get(ctx, keyOf(authority), authority))
	w.hide(string(authority.Data[corev1.TLSPrivateKeyKey]))
	_, err := tls.X509KeyPair(authority.Data[corev1.TLSCertKey], authority.Data[corev1.TLSPrivateKeyKey])
	return err == nil
}

// unreadablePair creates a Secret of somebody else that holds no certificate.
func (w *world) unreadablePair(name string) *corev1.Secret {
	w.t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: objectMeta(w.system, name), Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: []byte("of somebody else"), corev1.TLSPrivateKeyKey: []byte("of somebody else")},
	}
	w.must(admin.Create(ctx, secret))
	return secret
}

// TestForeignCertificate: a certificate that somebody else has made, such as cert-manager, is left alone, until it is deleted.
func TestForeignCertificate(t *testing.T) {
	w := newWorld(t)
	w.certificates = true
	foreign := w.unreadablePair(certificate.SecretName)
	o := w.run()
	w.g.Eventually(w.log.String, patience, glance).Should(gomega.ContainSubstring("left to whoever has made it"))
	w.g.Expect(o.traffic.about(certificate.AuthorityName)).To(gomega.BeEmpty())

	w.delete(foreign)
	secret := w.issuedCertificate()

	// The operator's own is renewed also without its label.
	before := string(secret.Data[corev1.TLSCertKey])
	edit(w, secret, func(s *corev1.Secret) { s.Labels = nil })
	w.clock.advance(61 * 24 * time.Hour)
	edit(w, secret, func(s *corev1.Secret) { s.Annotations = map[string]string{"test/touched": "yes"} })
	w.g.Eventually(func() bool {
		return string(w.issuedCertificate().Data[corev1.TLSCertKey]) != before
	}, patience, glance).Should(gomega.BeTrue())

	// cert-manager takes over a Secret that is there, with the operator's label.
	edit(w, secret, func(s *corev1.Secret) {
		s.Annotations = map[string]string{"cert-manager.io/certificate-name": "keyturn-login-webhook"}
		s.Data[corev1.TLSCertKey] = []byte("of cert-manager")
	})
	writes := len(o.traffic.about(certificate.SecretName))
	edit(w, secret, func(s *corev1.Secret) { s.Annotations["test/touched"] = "yes" })
	w.secret("ada", initial)
	w.eventually(w.account("ada", handedOut("ada")), ready)
	w.g.Expect(o.traffic.about(certificate.SecretName)).To(gomega.HaveLen(writes))
}

// TestBroughtAuthority: with an authority that somebody has brought, the operator issues the certificate and renews it.
func TestBroughtAuthority(t *testing.T) {
	w := newWorld(t)
	w.certificates = true
	o := w.run()
	secret := w.issuedCertificate()
	o.stop()

	// Another name, and no label, as of a company's own.
	brought := company(t, w.clock.Now())
	authority := &corev1.Secret{ObjectMeta: objectMeta(w.system, certificate.AuthorityName)}
	edit(w, authority, func(s *corev1.Secret) { s.Labels, s.Data = nil, brought })
	w.run()
	w.g.Eventually(func() string {
		w.must(admin.Get(ctx, keyOf(secret), secret))
		return issuerOf(t, secret)
	}, patience, glance).Should(gomega.Equal("Company"))
	before := string(w.issuedCertificate().Data[corev1.TLSCertKey])
	w.clock.advance(61 * 24 * time.Hour)
	edit(w, secret, func(s *corev1.Secret) { s.Annotations = map[string]string{"test/touched": "yes"} })
	w.g.Eventually(func() bool { return string(w.issuedCertificate().Data[corev1.TLSCertKey]) != before }, patience, glance).Should(gomega.BeTrue())
	w.must(admin.Get(ctx, keyOf(authority), authority))
	w.g.Expect(authority.Data).To(gomega.Equal(brought))
}

// company returns an authority by the name Company: the content of a Secret of type kubernetes.io/tls.
func company(t *testing.T, now time.Time) map[string][]byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Company"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(5 * 365 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

func issuerOf(t *testing.T, secret *corev1.Secret) string {
	t.Helper()
	both, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		t.Fatal(err)
	}
	return both.Leaf.Issuer.CommonName
}

// TestForeignAuthority: an authority that cannot be used, and that the operator has not made, is not overwritten.
func TestForeignAuthority(t *testing.T) {
	w := newWorld(t)
	w.certificates = true
	w.unreadablePair(certificate.AuthorityName)
	o := w.run()
	w.g.Eventually(w.log.String, patience, glance).Should(gomega.ContainSubstring("put right the Secret"))
	w.g.Expect(o.traffic.about(certificate.AuthorityName, certificate.SecretName)).To(gomega.BeEmpty())
}
