package chart_test

import (
	"strings"
	"testing"
)

// notes are what Helm tells whoever has installed the chart. No cluster is needed to render them.
func notes(t *testing.T, values ...string) string {
	t.Helper()

	arguments := []string{"install", "keyturn", chart, "--namespace", systemNamespace, "--dry-run=client"}

	output, err := run(t, append(arguments, set(values...)...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}

	_, text, found := strings.Cut(output, "\nNOTES:\n")
	if !found {
		t.Fatalf("there are no notes:\n%s", output)
	}

	return text
}

// TestNotes: whoever lets people in from outside is told where they log in, and what does not work while the proxies are not named.
func TestNotes(t *testing.T) {
	const (
		forward = "kubectl port-forward -n keyturn-system service/keyturn-login 8080:80"
		page    = "https://login.example.org/o/team/login"
		warning = "WARNING: login.trustedProxies is empty"
		console = "console"
		unled   = "Neither ingress nor httpRoute leads"
		ready   = "kubectl get identityproviders"
	)

	exposed := []string{"ingress.enabled=true", "ingress.host=login.example.org", "ingress.tls.secretName=login-tls"}
	routed := []string{
		"httpRoute.enabled=true", "httpRoute.hostnames={login.example.org}", "httpRoute.parentRefs[0].name=public",
		"httpRoute.parentRefs[0].sectionName=https",
	}

	for _, tt := range []struct {
		name       string
		values     []string
		has, lacks []string
	}{
		{"inside the cluster", nil, []string{forward}, []string{page, warning, console, ready}},
		{"identity providers", []string{"directory.enabled=true"}, []string{forward, ready}, []string{"\n\n\n"}},
		{
			"a console of its own",
			[]string{"login.consoleHosts={admin.example.org}"},
			[]string{"  https://admin.example.org/admin\n", "Serve no application", unled + " admin.example.org to"},
			[]string{"\n\n\n"},
		},
		{
			"a console at the ingress",
			append(exposed, "login.trustedProxies={10.0.0.0/8}", "login.consoleHosts={login.example.org}"),
			[]string{"  https://login.example.org/admin\n"},
			[]string{unled, "\n\n\n"},
		},
		{
			"a console at the route, and one elsewhere",
			append(routed, "login.trustedProxies={10.0.0.0/8}", "login.consoleHosts={login.example.org,admin.example.org}"),
			[]string{"  https://login.example.org/admin\n  https://admin.example.org/admin\n", unled + " admin.example.org to"},
			[]string{unled + " login.example.org"},
		},
		{"ingress", append(exposed, "login.unnamedProxies=true"), []string{page, warning}, []string{forward}},
		{"ingress with its networks", append(exposed, "login.trustedProxies={10.0.0.0/8}"), []string{page}, []string{forward, warning}},
		{"route", append(routed, "login.unnamedProxies=true"), []string{page, warning}, []string{forward}},
		{"route with its networks", append(routed, "login.trustedProxies={10.0.0.0/8}"), []string{page}, []string{forward, warning}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			content := notes(t, tt.values...)

			for _, part := range append(tt.has, "kubectl label namespace keyturn-system", "kind: UserAccount") {
				if !strings.Contains(content, part) {
					t.Errorf("the notes lack %q:\n%s", part, content)
				}
			}

			for _, part := range tt.lacks {
				if strings.Contains(content, part) {
					t.Errorf("the notes have %q:\n%s", part, content)
				}
			}
		})
	}
}
