package web

import (
	"strings"
	"testing"

	"github.com/keyturn/keyturn/internal/token"
)

// TestKubectlIn: the note of a login for kubectl goes to the page for kubectl and to no other path, at which an application may be.
func TestKubectlIn(t *testing.T) {
	query := "?challenge=" + token.ChallengeOf(strings.Repeat("v", 43)) + "&state=aaaaaaaaaaaaaaaaaaaa"
	for path, want := range map[string]bool{
		"/login/kubectl": true, "/o/acme/login/kubectl": true,
		"/evil/login/kubectl": false, "/o/acme/evil/login/kubectl": false, "/o/a%2Fb/login/kubectl": false, "/o/acme%2Flogin/kubectl": false,
		"/o//login/kubectl": false, "/o/ACME/login/kubectl": false, "/o/login/kubectl": false, "/login/kubectl/": false, "/login%2Fkubectl": false,
		"/x/o/acme/login/kubectl": false, "/login": false, "": false, "/o/acme/login/kubectl/login/kubectl": false,
	} {
		got, k, ok := kubectlIn(path + query)
		if ok != want || ok && (got != path || k.Challenge == "") {
			t.Errorf("%s: %q, %+v, %t", path, got, k, ok)
		}
	}
	if _, _, ok := kubectlIn("/login/kubectl?state=aaaaaaaaaaaaaaaaaaaa"); ok {
		t.Error("a request without a challenge is one of kubectl")
	}
}
