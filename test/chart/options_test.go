package chart_test

import (
	"strings"
	"testing"
)

const (
	login     = "Deployment keyturn-system/keyturn-login"
	operator  = "Deployment keyturn-system/keyturn-operator"
	directory = "Deployment keyturn-system/keyturn-directory"
	ingress   = "Ingress keyturn-system/keyturn-login"
	route     = "HTTPRoute keyturn-system/keyturn-login"
)

// option is a row of the tables of values: what is set, and what becomes of one object.
type option struct {
	name   string
	values []string
	object string
	has    []string // parts of the object as YAML, keys in alphabetical order
	lacks  []string
}

var serverOptions = []option{
	{"registry", []string{"image.registry=mirror.example.org:5000/keyturn"}, login, []string{"image: mirror.example.org:5000/keyturn/keyturn-login:v0.1.0"}, nil},
	{"tag", []string{"image.tag=v0.1.1"}, operator, []string{"image: ghcr.io/keyturn/keyturn-operator:v0.1.1"}, nil},
	{"pull policy", []string{"image.pullPolicy=Always"}, operator, []string{"imagePullPolicy: Always"}, nil},
	{"pull secrets", []string{"image.pullSecrets[0].name=registry"}, login, []string{"imagePullSecrets:\n      - name: registry"}, nil},
	{"replicas", []string{"login.replicas=3"}, login, []string{"replicas: 3"}, nil},
	{"no replicas", []string{"operator.replicas=0"}, operator, []string{"replicas: 0"}, nil},
	{
		"resources",
		[]string{"login.resources.limits.memory=2Gi", "login.resources.requests.cpu=2", "login.goMemLimit=1GiB"},
		login,
		[]string{"memory: 2Gi", "cpu: 2\n", "cpu: \"2\"", "value: 1GiB"},
		[]string{"896Mi"},
	},
	{"no limit", []string{"operator.resources.limits.cpu=null"}, operator, []string{"memory: 960Mi"}, []string{"cpu: \"2\""}},
	{
		"further arguments",
		[]string{"operator.extraArgs={--debug,--leader-elect=false}"},
		operator,
		[]string{"--health-probe-bind-address=:8081\n        - --debug\n        - --leader-elect=false"},
		nil,
	},
	{"no directory server", nil, directory, nil, []string{""}},
	{"no rights of a directory server", nil, "ClusterRoleBinding /keyturn-directory", nil, []string{""}},
	{
		"directory server",
		[]string{
			"directory.enabled=true", "directory.replicas=2", "directory.resources.limits.memory=256Mi", "directory.goMemLimit=192MiB",
			"directory.extraArgs={--debug}", "directory.podLabels.c=d", "directory.podAnnotations.a=b", "directory.priorityClassName=system-cluster-critical",
			`directory.nodeSelector.kubernetes\.io/os=linux`, "image.pullSecrets[0].name=registry", "image.tag=v0.1.1",
		},
		directory,
		[]string{
			"replicas: 2", "memory: 256Mi", "value: 192MiB", "--login-replicas=2\n        - --debug", "app.kubernetes.io/name: keyturn\n        c: d",
			"annotations:\n        a: b", "priorityClassName: system-cluster-critical", "kubernetes.io/os: linux", "imagePullSecrets:\n      - name: registry",
			"image: ghcr.io/keyturn/keyturn-directory:v0.1.1",
		},
		[]string{"--webhook-certificate"},
	},
	{"directory server knows of the login servers", []string{"directory.enabled=true", "login.replicas=3"}, directory, []string{"--login-replicas=3"}, nil},
	{"directory server without a login server", []string{"directory.enabled=true", "login.replicas=0"}, directory, []string{"--login-replicas=1"}, nil},
	{"directory server without a network policy", []string{"directory.enabled=true", "networkPolicy.enabled=false"}, "NetworkPolicy keyturn-system/keyturn-directory", nil, []string{""}},
	{"nodes", []string{`login.nodeSelector.kubernetes\.io/os=linux`}, login, []string{"nodeSelector:\n        kubernetes.io/os: linux"}, nil},
	{"tolerations", []string{"login.tolerations[0].key=dedicated"}, login, []string{"tolerations:\n      - key: dedicated"}, nil},
	{
		"affinity",
		[]string{"operator.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1"},
		operator,
		[]string{"affinity:\n        podAntiAffinity:"},
		nil,
	},
	{"priority", []string{"operator.priorityClassName=system-cluster-critical"}, operator, []string{"priorityClassName: system-cluster-critical"}, nil},
	{
		"annotations and labels of the Pods",
		[]string{"login.podAnnotations.a=b", "login.podLabels.c=d"},
		login,
		[]string{"annotations:\n        a: b\n        kubectl.kubernetes.io/default-container: login", "app.kubernetes.io/name: keyturn\n        c: d"},
		nil,
	},
	{"organisation", []string{"login.defaultNamespace=team"}, login, []string{"- --default-namespace=team"}, nil},
	{"proxies unknown", nil, login, []string{"- --address-failures-per-minute=0"}, []string{"--trusted-proxies"}},
	{
		"proxies known",
		[]string{"login.trustedProxies={10.0.0.0/8,fd00::/8}"},
		login,
		[]string{"- --trusted-proxies=10.0.0.0/8,fd00::/8"},
		[]string{"--address-failures-per-minute"},
	},
	{"no console", nil, login, nil, []string{"--console-hosts"}},
	{
		"console",
		[]string{"login.consoleHosts={login.example.org,192.0.2.1}"},
		login,
		[]string{"- --console-hosts=login.example.org,192.0.2.1\n"},
		nil,
	},
	{
		"pages",
		[]string{"login.showOrganization=true", "login.productName=Example: Login", `login.contact=Call the "help desk".`},
		login,
		[]string{"- --show-organization", "- '--product-name=Example: Login'", `- --contact=Call the "help desk".`},
		nil,
	},
}

var otherOptions = []option{
	{"no kinds", []string{"crds.enabled=false"}, "CustomResourceDefinition /useraccounts.accounts.keyturn.dev", nil, []string{""}},
	{
		"kinds are not kept",
		[]string{"crds.keep=false"},
		"CustomResourceDefinition /useraccounts.accounts.keyturn.dev",
		nil,
		[]string{keepAnnotation, "Prune=false", "prune: disabled"},
	},
	{
		"secrets of OIDC clients are kept nevertheless",
		[]string{"crds.keep=false"},
		"Namespace /keyturn-providers",
		[]string{keepAnnotation + ": keep"},
		nil,
	},
	{
		"passwords are kept nevertheless",
		[]string{"crds.keep=false"},
		"Namespace /keyturn-credentials",
		[]string{keepAnnotation + ": keep"},
		nil,
	},
	{"certificate of the operator", nil, operator, nil, []string{"--webhook-certificate"}},
	{"no cert-manager", nil, "Certificate keyturn-system/keyturn-login-webhook", nil, []string{""}},
	{"cert-manager", []string{"certificates.issuer=CertManager", "certificates.issuerRef.name=ca"}, operator, []string{"- --webhook-certificate=External"}, nil},
	{
		"certificate of cert-manager",
		[]string{"certificates.issuer=CertManager", "certificates.issuerRef.name=ca", "certificates.issuerRef.kind=ClusterIssuer"},
		"Certificate keyturn-system/keyturn-login-webhook",
		[]string{
			"dnsNames:\n  - keyturn-login-webhook.keyturn-system.svc",
			"issuerRef:\n    group: cert-manager.io\n    kind: ClusterIssuer\n    name: ca",
			"secretName: keyturn-login-webhook-tls",
		},
		nil,
	},
	{"no ingress", nil, ingress, nil, []string{""}},
	{
		"ingress",
		[]string{
			"ingress.enabled=true", "login.trustedProxies={10.0.0.0/8}", "ingress.host=login.example.org", "ingress.tls.secretName=login-tls", "ingress.className=nginx",
			"ingress.annotations.a=b",
		},
		ingress,
		[]string{
			"annotations:\n    a: b", "ingressClassName: nginx", "- host: login.example.org", "name: keyturn-login\n            port:\n              name: http",
			"tls:\n  - hosts:\n    - login.example.org\n    secretName: login-tls",
		},
		nil,
	},
	{
		"ingress behind TLS",
		[]string{"ingress.enabled=true", "login.trustedProxies={10.0.0.0/8}", "ingress.host=login.example.org", "ingress.tls.terminatedElsewhere=true"},
		ingress,
		[]string{"- host: login.example.org"},
		[]string{"tls:", "ingressClassName", "annotations"},
	},
	{"no route", nil, route, nil, []string{""}},
	{
		"route",
		[]string{
			"httpRoute.enabled=true", "login.trustedProxies={10.0.0.0/8}", "httpRoute.hostnames={login.example.org}", "httpRoute.parentRefs[0].name=public",
			"httpRoute.parentRefs[0].namespace=gateways", "httpRoute.parentRefs[0].sectionName=https", "httpRoute.annotations.a=b",
		},
		route,
		[]string{
			"annotations:\n    a: b", "hostnames:\n  - login.example.org", "- name: public\n    namespace: gateways\n    sectionName: https",
			"backendRefs:\n    - name: keyturn-login\n      port: 80",
		},
		nil,
	},
	{
		"route behind TLS",
		[]string{
			"httpRoute.enabled=true", "login.trustedProxies={10.0.0.0/8}", "httpRoute.hostnames={login.example.org}", "httpRoute.parentRefs[0].name=public",
			"httpRoute.tls.terminatedElsewhere=true",
		},
		route,
		[]string{"- name: public"},
		[]string{"sectionName"},
	},
	{"no network policy", []string{"networkPolicy.enabled=false"}, "NetworkPolicy keyturn-system/keyturn-default-deny", nil, []string{""}},
	{
		"a network policy for the proxy",
		[]string{"networkPolicy.peopleFrom[0].podSelector.matchLabels.app=proxy", "networkPolicy.apiServersFrom[0].ipBlock.cidr=192.0.2.0/28"},
		"NetworkPolicy keyturn-system/keyturn-login",
		[]string{"app: proxy", "cidr: 192.0.2.0/28"},
		nil,
	},
	{"no monitoring", nil, "PrometheusRule keyturn-system/keyturn", nil, []string{""}},
	{
		"alerts for a Prometheus that selects",
		[]string{"monitoring.enabled=true", "monitoring.labels.release=monitoring"},
		"PrometheusRule keyturn-system/keyturn",
		[]string{"release: monitoring"},
		nil,
	},
	{
		"monitors for a Prometheus that selects",
		[]string{"monitoring.enabled=true", "monitoring.labels.release=monitoring"},
		"ServiceMonitor keyturn-system/keyturn-login",
		[]string{"release: monitoring"},
		nil,
	},
	{
		"another Prometheus finds the servers",
		[]string{"monitoring.enabled=true", "monitoring.prometheus.namespace=observing", "monitoring.prometheus.serviceAccount=prometheus"},
		"RoleBinding keyturn-system/keyturn-prometheus",
		[]string{"name: prometheus\n  namespace: observing"},
		nil,
	},
	{
		"another Prometheus reads metrics",
		[]string{"monitoring.enabled=true", "monitoring.prometheus.namespace=observing", "monitoring.prometheus.serviceAccount=prometheus"},
		"ClusterRoleBinding /keyturn-metrics-reader",
		[]string{"name: prometheus\n  namespace: observing"},
		nil,
	},
}

// TestOptions: each value has the effect that values.yaml names. An object that lacks everything ("") is not rendered at all.
func TestOptions(t *testing.T) {
	t.Parallel()

	for _, tt := range append(serverOptions, otherOptions...) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			object, content := byIdentity(t, template(t, set(tt.values...)...))[tt.object], ""
			if object != nil {
				content = text(t, object)
			}

			for _, part := range tt.has {
				if !strings.Contains(content, part) {
					t.Errorf("%v: %s lacks %q:\n%s", tt.values, tt.object, part, content)
				}
			}

			for _, part := range tt.lacks {
				if part == "" && object != nil || part != "" && strings.Contains(content, part) {
					t.Errorf("%v: %s has %q:\n%s", tt.values, tt.object, part, content)
				}
			}

			if object == nil && (len(tt.lacks) != 1 || tt.lacks[0] != "") {
				t.Errorf("%v: there is no %s", tt.values, tt.object)
			}
		})
	}
}

// TestVersionOfTheChart: no Pod and no selector has it. A new version of the chart alone restarts nothing, and selectors cannot be changed.
func TestVersionOfTheChart(t *testing.T) {
	for _, name := range []string{login, operator, directory} {
		_, spec, found := strings.Cut(text(t, byIdentity(t, template(t, set("directory.enabled=true")...))[name]), "\nspec:\n")
		if !found || strings.Contains(spec, chartLabel) || strings.Contains(spec, "keyturn-0.1.0") {
			t.Errorf("%s has the chart's version below spec:\n%s", name, spec)
		}
	}
}
