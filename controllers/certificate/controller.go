package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// SecretName is the name of the Secret with the certificate, in Keyturn's own namespace. The kubelet puts it into the login server's Pods.
	SecretName = "keyturn-login-webhook-tls"
	// AuthorityName is the name of the Secret with the authority and its key, and of the ConfigMap with its certificate.
	AuthorityName = "keyturn-webhook-ca"
	// authorityKey is the key of the certificate in that ConfigMap.
	authorityKey = "ca.crt"
	// service is the name of the Service that API servers reach the port by.
	service = "keyturn-login-webhook"

	// managedByLabel tells the operator's own Secrets from those that somebody else has made, where their content does not: an authority that
	// cannot be used, a certificate that cannot be read.
	managedByLabel, managedBy = "app.kubernetes.io/managed-by", "keyturn-operator"
	// certManagerAnnotation is on the Secrets that cert-manager writes.
	certManagerAnnotation = "cert-manager.io/certificate-name"
)

// Reconciler keeps the certificate and its authority.
type Reconciler struct {
	live      client.Reader
	writer    client.Writer
	namespace string
	clock     clock.PassiveClock
}

// Reconcile makes what is missing and renews what is due. Where the authority was lost it makes another, and the certificate anew;
// API servers then refuse it until they are given the new authority.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	secret, missing, err := r.secret(ctx, SecretName)
	if err != nil {
		return ctrl.Result{}, err
	}
	issuer, _, err := r.secret(ctx, AuthorityName)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !missing && isForeign(secret, pairOf(issuer)) {
		ctrl.LoggerFrom(ctx).Info("Certificate for API servers is left to whoever has made it; delete the Secret to have the operator make one",
			"secret", SecretName)
		return ctrl.Result{}, nil
	}
	now := r.clock.Now()
	a, err := r.authority(ctx, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	// The certificate goes first: what is wrong with the ConfigMap must not keep it from being renewed.
	renewal, err := r.renew(ctx, a, secret, missing, now)
	if err := errors.Join(err, r.publish(ctx, a)); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: max(renewal.Sub(now), time.Minute)}, nil
}

// isForeign tells whether somebody else makes the Secret with the certificate: by cert-manager's annotation, or by its issuer, since Secrets
// that the operator has made may have been taken over with their labels. The operator's own are issued by the present authority, whoever
// has made that, or by a former one of its own. Of a certificate that cannot be read the label decides.
func isForeign(secret *corev1.Secret, issuer pair) bool {
	if _, taken := secret.Annotations[certManagerAnnotation]; taken {
		return true
	}
	both, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return secret.Labels[managedByLabel] != managedBy
	}
	if a, err := readAuthority(issuer); err == nil && both.Leaf.CheckSignatureFrom(a.parsed) == nil {
		return false
	}
	return both.Leaf.Issuer.CommonName != authorityCommonName
}

// authority returns the authority, and makes one if there is none, or if the operator's own has ended at now. Not before: API servers
// refuse what a new one has issued until somebody has given it to them.
func (r *Reconciler) authority(ctx context.Context, now time.Time) (*authority, error) {
	secret, missing, err := r.secret(ctx, AuthorityName)
	if err != nil {
		return nil, err
	}
	if !missing {
		a, err := readAuthority(pairOf(secret))
		if err == nil && !now.Before(a.parsed.NotAfter) {
			err = errEnded
		}
		switch {
		case err == nil:
			if now.After(a.parsed.NotAfter.Add(-authorityNotice)) {
				ctrl.LoggerFrom(ctx).Info("Authority of the certificate for API servers ends soon: delete its Secret, and give API servers the new one from the ConfigMap",
					"name", AuthorityName, "end", a.parsed.NotAfter)
			}
			return a, nil
		case secret.Labels[managedByLabel] != managedBy:
			return nil, reconcile.TerminalError(fmt.Errorf("read authority: %w: put right the Secret %s, or delete it to have another made", err, AuthorityName))
		default:
			ctrl.LoggerFrom(ctx).Error(err, "Authority of the certificate for API servers cannot be used, and is made anew", "secret", AuthorityName)
		}
	}
	a, err := newAuthority(now)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	return a, r.write(ctx, secret, a.pair, missing)
}

// publish writes the authority's certificate to the ConfigMap, unless it is there. A ConfigMap that somebody has made immutable is
// replaced.
func (r *Reconciler) publish(ctx context.Context, a *authority) error {
	published := &corev1.ConfigMap{}
	published.Namespace, published.Name = r.namespace, AuthorityName
	err := r.live.Get(ctx, client.ObjectKeyFromObject(published), published)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return fmt.Errorf("read published authority: %w", err)
	}
	if !missing && published.Data[authorityKey] == string(a.pair.certificate) {
		return nil
	}
	if ptr.Deref(published.Immutable, false) {
		if err := r.remove(ctx, published); err != nil {
			return fmt.Errorf("replace published authority: %w", err)
		}
		published, missing = &corev1.ConfigMap{}, true
		published.Namespace, published.Name = r.namespace, AuthorityName
	}
	published.Data, published.BinaryData = map[string]string{authorityKey: string(a.pair.certificate)}, nil
	label(published)
	if missing {
		err = r.writer.Create(ctx, published)
	} else {
		err = r.writer.Update(ctx, published)
	}
	if err != nil {
		return fmt.Errorf("publish authority: %w", err)
	}
	return nil
}

// remove deletes a ConfigMap, also one that has finalizers.
func (r *Reconciler) remove(ctx context.Context, c *corev1.ConfigMap) error {
	if len(c.Finalizers) > 0 {
		c.Finalizers = nil
		if err := r.writer.Update(ctx, c); err != nil {
			return err
		}
	}
	return client.IgnoreNotFound(r.writer.Delete(ctx, c, client.Preconditions{UID: &c.UID}))
}

// renew issues the certificate if it is due at now, and returns when it is due next.
func (r *Reconciler) renew(ctx context.Context, a *authority, secret *corev1.Secret, missing bool, now time.Time) (time.Time, error) {
	name := service + "." + r.namespace + ".svc"
	if due := a.renewalTime(pairOf(secret), name, now); now.Before(due) {
		return due, nil
	}
	issued, err := a.issue(name, now)
	if err != nil {
		return time.Time{}, fmt.Errorf("issue certificate: %w", err)
	}
	if err := r.write(ctx, secret, issued, missing); err != nil {
		return time.Time{}, err
	}
	ctrl.LoggerFrom(ctx).Info("Certificate for API servers is issued", "secret", SecretName)
	return a.renewalTime(issued, name, now), nil
}

// secret reads a Secret live. It returns an empty one if there is none.
func (r *Reconciler) secret(ctx context.Context, name string) (secret *corev1.Secret, missing bool, err error) {
	secret = &corev1.Secret{}
	err = r.live.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		secret.Namespace, secret.Name, secret.Type = r.namespace, name, corev1.SecretTypeTLS
		return secret, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read Secret %s: %w", name, err)
	}
	return secret, false, nil
}

func (r *Reconciler) write(ctx context.Context, secret *corev1.Secret, p pair, missing bool) error {
	secret.Data = p.data()
	label(secret)
	write := func() error { return r.writer.Update(ctx, secret) }
	if missing {
		write = func() error { return r.writer.Create(ctx, secret) }
	}
	if err := write(); err != nil {
		return fmt.Errorf("store Secret %s: %w", secret.Name, err)
	}
	return nil
}

func label(object client.Object) {
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[managedByLabel] = managedBy
	object.SetLabels(labels)
}
