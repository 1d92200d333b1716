package provider

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

const clientSecret = "8Q~the-secret-of-the-client"

// reachable returns a provider whose Secret and ConfigMap are those of stored.
func reachable(options ...option) *v1alpha1.IdentityProvider {
	return named("contoso", append([]option{func(p *v1alpha1.IdentityProvider) {
		p.UID, p.Generation = "u1", 3
		p.Spec.OIDC = v1alpha1.OIDCSettings{
			Issuer: "https://ID.example.org:8443/realms/staff", ClientID: "keyturn", ClientSecretRef: v1alpha1.ProviderSecretReference{Name: "contoso"},
			CAConfigMapRef: &v1alpha1.CAConfigMapReference{Name: "ca", Key: "ca.crt"},
		}
	}}, options...)...)
}

func publicCA(p *v1alpha1.IdentityProvider) { p.Spec.OIDC.CAConfigMapRef = nil }

// stored are the objects of a provider, and the same in another namespace, which nobody may look at.
type stored struct {
	secret *corev1.Secret
	ca     *corev1.ConfigMap
}

func newStored(t *testing.T) stored {
	t.Helper()
	return stored{
		secret: &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: DefaultNamespace, Name: "contoso", UID: "s1"}, Type: v1alpha1.SecretTypeOIDCClient,
			Data: map[string][]byte{"clientSecret": []byte(clientSecret), "servers": []byte("id.example.org:8443")},
		},
		ca: &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: DefaultNamespace, Name: "ca", UID: "c1"}, Data: map[string]string{"ca.crt": certificate(t)},
		},
	}
}

// source reads what is stored. What is nil is missing.
func (s stored) source() Source {
	builder := fake.NewClientBuilder()
	if s.secret != nil {
		builder.WithObjects(s.secret)
	}
	if s.ca != nil {
		builder.WithObjects(s.ca)
	}
	return Source{Reader: builder.Build(), Namespace: DefaultNamespace}
}

// certificate returns one that signs itself, in PEM.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now, NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestSettings(t *testing.T) {
	s := newStored(t)
	s.secret.Data["servers"] = []byte(" Login.Example.com:443,ID.example.ORG:8443\r\n\t10.0.0.1, [2001:db8::1]:636 [2001:DB8::2] 2001:db8::3 \n")
	s.secret.Data["clientSecret"] = []byte(clientSecret + "\r\n")
	p := reachable()
	got, err := s.source().Settings(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got.Provider == p || !reflect.DeepEqual(got.Provider, p) || got.ClientSecret.Text() != clientSecret || got.Roots == nil ||
		!slices.Equal(got.Servers, []string{"login.example.com", "id.example.org:8443", "10.0.0.1", "[2001:db8::1]:636", "2001:db8::2", "2001:db8::3"}) {
		t.Errorf("got %+v", got)
	}
	if got, err := s.source().Settings(t.Context(), reachable(publicCA)); err != nil || got.Roots != nil {
		t.Errorf("without a CA of its own: %+v, %v", got, err)
	}
}

// TestSettingsRefused: each thing that is missing or wrong is told as what it is, without anything of a Secret.
func TestSettingsRefused(t *testing.T) {
	data := func(key, value string) func(*stored) {
		return func(s *stored) { s.secret.Data[key] = []byte(value) }
	}
	for name, tt := range map[string]struct {
		edit    func(*stored)
		reason  string
		message string
	}{
		"no Secret":                  {func(s *stored) { s.secret = nil }, v1alpha1.ConditionReasonSecretNotFound, `no Secret "contoso" in the namespace keyturn-providers`},
		"Secret of another name":     {func(s *stored) { s.secret.Name = "other" }, v1alpha1.ConditionReasonSecretNotFound, "Create it, of type accounts.keyturn.dev/oidc-client"},
		"Secret in another place":    {func(s *stored) { s.secret.Namespace = "keyturn-system" }, v1alpha1.ConditionReasonSecretNotFound, "no Secret"},
		"Secret of no type":          {func(s *stored) { s.secret.Type = corev1.SecretTypeOpaque }, v1alpha1.ConditionReasonSecretNotUsable, "not of type"},
		"Secret with a password":     {func(s *stored) { s.secret.Type = v1alpha1.SecretTypePassword }, v1alpha1.ConditionReasonSecretNotUsable, "not of type"},
		"no client secret":           {func(s *stored) { delete(s.secret.Data, "clientSecret") }, v1alpha1.ConditionReasonKeyNotFound, "has no clientSecret"},
		"empty client secret":        {data("clientSecret", "\r\n"), v1alpha1.ConditionReasonKeyNotFound, "has no clientSecret"},
		"no servers":                 {func(s *stored) { delete(s.secret.Data, "servers") }, v1alpha1.ConditionReasonServerNotAllowed, "key servers"},
		"another server":             {data("servers", "example.org:8443 evil.id.example.org:8443 id.example.org.evil:8443"), v1alpha1.ConditionReasonServerNotAllowed, "without https:// and path"},
		"the host alone":             {data("servers", "id.example.org"), v1alpha1.ConditionReasonServerNotAllowed, ":PORT if the port is not 443"},
		"another port":               {data("servers", "id.example.org:9443"), v1alpha1.ConditionReasonServerNotAllowed, ":PORT if the port is not 443"},
		"an address":                 {data("servers", "https://id.example.org:8443"), v1alpha1.ConditionReasonServerNotAllowed, "Entry 1 of the key servers"},
		"a wildcard":                 {data("servers", "id.example.org:8443, *.example.org"), v1alpha1.ConditionReasonServerNotAllowed, "Entry 2 of the key servers"},
		"no ConfigMap":               {func(s *stored) { s.ca = nil }, v1alpha1.ConditionReasonCANotFound, `no ConfigMap "ca" in the namespace keyturn-providers`},
		"ConfigMap in another place": {func(s *stored) { s.ca.Namespace = "default" }, v1alpha1.ConditionReasonCANotFound, "no ConfigMap"},
		"another key":                {func(s *stored) { s.ca.Data = map[string]string{"tls.crt": s.ca.Data["ca.crt"]} }, v1alpha1.ConditionReasonCANotFound, `key "ca.crt"`},
		"no ConfigMap nor client secret": {func(s *stored) {
			s.ca = nil
			delete(s.secret.Data, "clientSecret")
		}, v1alpha1.ConditionReasonKeyNotFound, "has no clientSecret"},
		"no certificate": {func(s *stored) {
			s.ca.Data["ca.crt"] = "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n"
		}, v1alpha1.ConditionReasonCANotFound, "certificate (PEM)"},
		"garbage": {func(s *stored) { s.ca.Data["ca.crt"] = "\x00\xff" }, v1alpha1.ConditionReasonCANotFound, "certificate (PEM)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			tt.edit(&s)
			settings, err := s.source().Settings(t.Context(), reachable())
			refused, ok := errors.AsType[*SettingsError](err)
			if !ok || refused.Reason != tt.reason || !strings.Contains(refused.Message, tt.message) {
				t.Fatalf("got %+v, want %s with %q", err, tt.reason, tt.message)
			}
			if settings != nil {
				t.Error("there are settings all the same")
			}
			if strings.Contains(err.Error(), clientSecret) || strings.Contains(err.Error(), "evil") {
				t.Errorf("the message tells what is in the Secret: %v", err)
			}
		})
	}
}

// TestSettingsOfAFailingReader: an API server that fails says nothing about what is declared.
func TestSettingsOfAFailingReader(t *testing.T) {
	failure := errors.New("the API server cannot be reached")
	for _, kind := range []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}} {
		s := newStored(t)
		reader := fake.NewClientBuilder().WithObjects(s.secret, s.ca).WithInterceptorFuncs(interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
				_, secret := into.(*corev1.Secret)
				if _, failing := kind.(*corev1.Secret); secret == failing {
					return failure
				}
				return c.Get(ctx, key, into, options...)
			},
		}).Build()
		settings, err := Source{Reader: reader, Namespace: DefaultNamespace}.Settings(t.Context(), reachable())
		if _, told := errors.AsType[*SettingsError](err); told || !errors.Is(err, failure) || settings != nil {
			t.Errorf("%T: got %+v, %v", kind, settings, err)
		}
	}
}

// TestVersion: a client that was made of settings is made anew when, and only when, one of them has changed.
func TestVersion(t *testing.T) {
	version := func(edit func(*stored, *v1alpha1.IdentityProvider)) string {
		s, p := newStored(t), reachable()
		s.secret.ResourceVersion, s.ca.ResourceVersion = "7", "8"
		edit(&s, p)
		settings, err := s.source().Settings(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return settings.Version
	}
	seen := map[string]string{}
	for name, edit := range map[string]func(*stored, *v1alpha1.IdentityProvider){
		"nothing":                  func(*stored, *v1alpha1.IdentityProvider) {},
		"the provider is another":  func(_ *stored, p *v1alpha1.IdentityProvider) { p.UID = "u2" },
		"the spec":                 func(_ *stored, p *v1alpha1.IdentityProvider) { p.Generation++ },
		"the Secret":               func(s *stored, _ *v1alpha1.IdentityProvider) { s.secret.ResourceVersion = "9" },
		"the Secret is another":    func(s *stored, _ *v1alpha1.IdentityProvider) { s.secret.UID = types.UID("s2") },
		"the ConfigMap":            func(s *stored, _ *v1alpha1.IdentityProvider) { s.ca.ResourceVersion = "9" },
		"the ConfigMap is another": func(s *stored, _ *v1alpha1.IdentityProvider) { s.ca.UID = types.UID("c2") },
		"no ConfigMap any more":    func(_ *stored, p *v1alpha1.IdentityProvider) { publicCA(p) },
	} {
		v := version(edit)
		if other, found := seen[v]; found {
			t.Errorf("%s and %s lead to the same version %s", name, other, v)
		}
		if strings.Contains(v, clientSecret) || v != version(edit) {
			t.Errorf("%s: the version is %s", name, v)
		}
		seen[v] = name
	}
	status := func(_ *stored, p *v1alpha1.IdentityProvider) {
		p.ResourceVersion, p.Status.ObservedGeneration = "99", 3
	}
	if seen[version(status)] != "nothing" {
		t.Error("a write of the status changes the version")
	}
}

func servers(t *testing.T, text string) []string {
	t.Helper()
	list, invalid := parseServers(text, httpsPort)
	if invalid != 0 {
		t.Fatalf("entry %d of %q is none", invalid, text)
	}
	return list
}

// TestUnchangedSettings: settings that are known are taken as they are until something of them changes, or is missing.
func TestUnchangedSettings(t *testing.T) {
	s, p := newStored(t), reachable()
	var copied int
	reader := fake.NewClientBuilder().WithObjects(s.secret, s.ca).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
			if o := (&client.GetOptions{}).ApplyOptions(options); o.UnsafeDisableDeepCopy == nil || !*o.UnsafeDisableDeepCopy {
				copied++
			}
			return c.Get(ctx, key, into, options...)
		},
	}).Build()
	source := Source{Reader: reader, Namespace: DefaultNamespace}
	known, err := source.Settings(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(what string, want bool) {
		t.Helper()
		got, err := source.SettingsUnless(t.Context(), p, known)
		if err != nil || (got != known) != want || got.Roots == nil || (got.Roots != known.Roots) != want || (got.Version != known.Version) != want {
			t.Errorf("%s: changed settings %t, %v", what, got != known, err)
		}
		known = got
	}
	changed("nothing", false)
	s.secret.Data["servers"] = []byte("id.example.org:8443 login.example.org")
	if err := reader.Update(t.Context(), s.secret); err != nil {
		t.Fatal(err)
	}
	changed("the Secret", true)
	changed("nothing after the Secret", false)
	s.ca.Data["ca.crt"] = certificate(t)
	if err := reader.Update(t.Context(), s.ca); err != nil {
		t.Fatal(err)
	}
	changed("the ConfigMap", true)
	p.Generation++
	changed("the spec", true)
	if copied != 0 {
		t.Errorf("%d objects were copied", copied)
	}
	for _, row := range []struct {
		missing client.Object
		reason  string
	}{{s.ca, v1alpha1.ConditionReasonCANotFound}, {s.secret, v1alpha1.ConditionReasonSecretNotFound}} {
		if err := reader.Delete(t.Context(), row.missing); err != nil {
			t.Fatal(err)
		}
		got, err := source.SettingsUnless(t.Context(), p, known)
		if refused, ok := errors.AsType[*SettingsError](err); !ok || refused.Reason != row.reason || got != nil {
			t.Errorf("without %T: %+v, %v", row.missing, got, err)
		}
	}
}

func TestAllowsServer(t *testing.T) {
	s := &Settings{Servers: servers(t, "login.example.org 192.0.2.1, 2001:db8::1 [2001:db8::1]:8443 xn--bcher-kva.example kube.example.org id.example.org:8443 both.example.org:8443 both.example.org")}
	for address, want := range map[string]bool{
		"https://login.example.org": true, "https://login.example.org/": true, "https://login.example.org/token?p=a#b": true,
		"https://login.example.org:443/token": true, "https://LOGIN.Example.org/token": true, "HTTPS://login.example.org": true,
		"https://id.example.org:8443/token": true, "https://both.example.org:8443/": true, "https://both.example.org/": true,

		// Another port of the same host can be somebody else's.
		"https://login.example.org:8443/token": false, "https://login.example.org:4430/": false, "https://login.example.org:0443/": false,
		"https://id.example.org/token": false, "https://id.example.org:443/token": false, "https://id.example.org:84430/": false, "https://id.example.org:8444/": false,
		"https://192.0.2.1:8443/token": false, "https://[2001:db8::1]:8444/token": false,

		"https://192.0.2.1/token": true, "https://[2001:db8::1]/token": true, "https://[2001:DB8::1]:8443/token": true,
		"https://XN--BCHER-KVA.example/": true, "https://login.example.org./": false,

		"": false, "/": false, "login.example.org": false, "//login.example.org/token": false, "https:login.example.org": false, "https://": false,
		"https:///token": false, "https://:443/": false, "http://login.example.org/token": false, "ftp://login.example.org": false, "wss://login.example.org": false,
		"https://evil.example/login.example.org": false, "https://login.example.org.evil.example": false, "https://evil-login.example.org": false,
		"https://a.login.example.org": false, "https://example.org": false, "https://login.example.org@evil.example": false,
		"https://ada@login.example.org": false, "https://ada:pw@login.example.org": false, "https://@login.example.org": false, "https://:@login.example.org": false,
		`https://evil.example\@login.example.org`: false, `https://login.example.org\.evil.example`: false, "https://evil.example#@login.example.org": false,
		"https://evil.example?@login.example.org": false, "https://login.example.org%00.evil.example": false, "https://login%2eexample.org": false,
		"https://login.example.org%40evil.example": false, "https://login.example.org evil.example": false, " https://login.example.org": false,
		"https://login.example.org\n": false, "https://login.example.org:port": false, "https://[2001:db8::1%25eth0]/": false, "https://2001:db8::1/": false,
		"https://[2001:db8:0::1]/": false, "https://[::ffff:192.0.2.1]/": false, "https://3221225985/": false, "https://0300.0.2.1/": false, "https://192.0.2.1./": false,
		"https://bücher.example/": false, "https://\u212aube.example.org/": false /* Kelvin's K, which is a k in lower case */, "https://%E2%84%AAube.example.org/": false,
		"https://login。example.org/": false, "https://ｌogin.example.org/": false, "https://login.example.org,evil.example": false,
	} {
		if got := s.AllowsServer(address); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
	for _, none := range []*Settings{{}, {Servers: servers(t, " , \n")}} {
		for _, address := range []string{"https://login.example.org", "https://:443/", "https://:8443/", "https:///", "https://"} {
			if none.AllowsServer(address) {
				t.Errorf("a Secret that names no server may be sent to %q", address)
			}
		}
	}
}

// TestServers: an entry that is not the name of a host, with or without a port, is told by its number.
func TestServers(t *testing.T) {
	for _, entry := range []string{
		"https://id.example.org", "https://id.example.org:8443", "//id.example.org", "id.example.org/", "id.example.org/realms", "id.example.org:8443/",
		"id.example.org:", "id.example.org:0", "id.example.org:65536", "id.example.org:0443", "id.example.org:+443", "id.example.org:https", "id.example.org:1:2",
		":443", ":", "*", "*.example.org", "ada@id.example.org", "ada:pw@id.example.org", "id.example.org?", "id.example.org#", "id%2eexample.org", "-id.example.org",
		"id.example.org.", "bücher.example", "\u212aube.example.org", "[2001:db8::1", "[2001:db8::1]:", "[2001:db8::1]8443", "[id.example.org]", "[192.0.2.1]",
		"fe80::1%eth0", "[fe80::1%25eth0]", "2001:db8::1:", "id.example.org;evil.example", `id.example.org\evil`, "id.example.org:8443-8444",
	} {
		if list, invalid := parseServers("id.example.org "+entry+" evil.example", httpsPort); invalid != 2 || list != nil {
			t.Errorf("%q: entry %d is told, and the servers are %q", entry, invalid, list)
		}
	}
}
