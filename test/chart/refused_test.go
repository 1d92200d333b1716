package chart_test

import (
	"strings"
	"testing"
)

// TestLint: Helm's own checks have nothing to say, no warning either.
func TestLint(t *testing.T) {
	if output, err := run(t, "lint", "--strict", "--namespace", systemNamespace, chart); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// TestNamespace: the chart installs into its namespace alone, and tells whoever tries another one what to run.
func TestNamespace(t *testing.T) {
	output, err := run(t, "template", "keyturn", chart, "--namespace", "default")
	if err == nil {
		t.Fatal("the chart can be installed into the namespace default")
	}

	const command = "helm install keyturn CHART --namespace keyturn-system --create-namespace"
	if !strings.Contains(output, command) {
		t.Errorf("the message does not name the command:\n%s", output)
	}
}

// TestRefusedValues: values that cannot be meant are refused before anything is installed.
func TestRefusedValues(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		name   string
		values []string
		want   string // part of the message
	}{
		{"unknown value", []string{"replicas=3"}, "'replicas' not allowed"},
		{"unknown value of a server", []string{"login.replica=3"}, "'replica' not allowed"},
		{"unknown value of the operator", []string{"operator.trustedProxies={10.0.0.0/8}"}, "'trustedProxies' not allowed"},
		{"unknown value of the directory server", []string{"directory.hashes=2"}, "'hashes' not allowed"},
		{"unknown value of the image", []string{"image.repository=x"}, "'repository' not allowed"},
		{"unknown value of the resources", []string{"login.resources.cpu=1"}, "'cpu' not allowed"},
		{"unknown value of a listener", []string{"httpRoute.parentRefs[0].name=a", "httpRoute.parentRefs[0].section=b"}, "'section' not allowed"},
		{"a text in the place of a number", []string{"login.replicas=many"}, "/login/replicas"},
		{"a negative number", []string{"login.replicas=-1"}, "/login/replicas"},
		{"a text in the place of a yes or no", []string{"ingress.enabled=yes"}, "/ingress/enabled"},
		{"a text in the place of a list", []string{"login.trustedProxies=10.0.0.0/8"}, "/login/trustedProxies"},
		{"an address in the place of a network", []string{"login.trustedProxies={10.0.0.1}"}, "/login/trustedProxies/0"},
		{"another pull policy", []string{"image.pullPolicy=Sometimes"}, "/image/pullPolicy"},
		{"a registry with a scheme", []string{"image.registry=https://example.org/"}, "/image/registry"},
		{"another issuer", []string{"certificates.issuer=Helm"}, "/certificates/issuer"},
		{"a memory limit in Kubernetes' units", []string{"login.goMemLimit=224Mi"}, "/login/goMemLimit"},
		{"an argument that is no flag", []string{"login.extraArgs={log-format=text}"}, "/login/extraArgs/0"},
		{"a label of the directory server's selector", []string{`directory.podLabels.app\.kubernetes\.io/component=other`}, "directory.podLabels has app.kubernetes.io/component"},
		{"a label of the selectors", []string{`login.podLabels.app\.kubernetes\.io/name=other`}, "login.podLabels has app.kubernetes.io/name"},
		{"a namespace in capitals", []string{"login.defaultNamespace=Team"}, "/login/defaultNamespace"},
		{"ingress without a host", []string{"ingress.enabled=true"}, "set ingress.host"},
		{"ingress without TLS", []string{"ingress.enabled=true", "ingress.host=login.example.org"}, "set ingress.tls.secretName"},
		{"route without a Gateway", []string{"httpRoute.enabled=true", "httpRoute.hostnames={login.example.org}"}, "set httpRoute.parentRefs"},
		{"route without a host", []string{"httpRoute.enabled=true", "httpRoute.parentRefs[0].name=public"}, "httpRoute.hostnames"},
		{
			"route without the listener with TLS",
			[]string{"httpRoute.enabled=true", "httpRoute.hostnames={login.example.org}", "httpRoute.parentRefs[0].name=public"},
			`name the listener with TLS of the Gateway "public"`,
		},
		{
			"ingress without the networks of its proxy",
			[]string{"ingress.enabled=true", "ingress.host=login.example.org", "ingress.tls.secretName=login-tls"},
			"set login.trustedProxies",
		},
		{
			"route without the networks of its proxy",
			[]string{"httpRoute.enabled=true", "httpRoute.hostnames={login.example.org}", "httpRoute.parentRefs[0].name=public", "httpRoute.parentRefs[0].sectionName=https"},
			"set login.trustedProxies",
		},
		{"a text in the place of the console's hosts", []string{"login.consoleHosts=login.example.org"}, "/login/consoleHosts"},
		{"the console's address", []string{"login.consoleHosts={https://login.example.org/admin}"}, `has "https://login.example.org/admin": give names`},
		{"the console's host with its port", []string{"login.consoleHosts={login.example.org:8443}"}, "without scheme, port or path"},
		{"a host in capitals", []string{"login.consoleHosts={Login.example.org}"}, "in lower case"},
		{"an empty host", []string{"login.consoleHosts={login.example.org,}"}, `login.consoleHosts has ""`},
		{"every host", []string{"login.consoleHosts={*}"}, `login.consoleHosts has "*"`},
		{"everybody as a proxy", []string{"login.trustedProxies={0.0.0.0/0}"}, "/login/trustedProxies/0"},
		{"cert-manager without an issuer", []string{"certificates.issuer=CertManager"}, "set certificates.issuerRef.name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			output, err := run(t, append([]string{"template", "keyturn", chart, "--namespace", systemNamespace}, set(tt.values...)...)...)
			if err == nil {
				t.Fatalf("%v are taken", tt.values)
			}

			if !strings.Contains(output, tt.want) {
				t.Errorf("%v are refused without %q:\n%s", tt.values, tt.want, output)
			}
		})
	}
}
