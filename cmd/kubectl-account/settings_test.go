package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const kubeconfig = `apiVersion: v1
kind: Config
current-context: people
contexts:
- name: people
  context: {cluster: c, user: person}
- name: admin
  context: {cluster: c, user: admin}
- name: short
  context: {cluster: c, user: short}
- name: broken
  context: {cluster: c, user: broken}
clusters:
- name: c
  cluster: {server: "https://127.0.0.1:6443"}
users:
- name: admin
  user: {token: x}
- name: person
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: /opt/bin/kubectl-account
      args: [login, --server=https://login.example.org, --namespace=acme, --certificate-authority, /ca.crt]
      env: [{name: KEYTURN_USERNAME, value: ada}]
      interactiveMode: IfAvailable
- name: short
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: kubectl
      args: [account, login, --server=https://login.example.org/keyturn/, -n, other]
      interactiveMode: IfAvailable
- name: broken
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: kubectl-account
      args: [login, --srever=x]
      interactiveMode: IfAvailable
`

// TestSettings: where server, organisation, username and authority come from (flags, environment, kubeconfig, in this order), and which
// addresses are refused.
func TestSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", file)
	for name, row := range map[string]struct {
		args []string
		env  map[string]string
		want string // server, namespace, username, authority; or part of the error
	}{
		"flags": {[]string{"--server=https://a.example", "-n", "b", "--username=c", "--certificate-authority=d"}, nil, "https://a.example b c d"},
		"environment": {nil, map[string]string{
			"KEYTURN_SERVER": "https://a.example", "KEYTURN_NAMESPACE": "b", "KEYTURN_USERNAME": "c", "KEYTURN_CERTIFICATE_AUTHORITY": "d",
		}, "https://a.example b c d"},
		"flags go before":       {[]string{"--server=https://a.example"}, map[string]string{"KEYTURN_SERVER": "https://b.example"}, "https://a.example   "},
		"kubeconfig":            {nil, nil, "https://login.example.org acme ada /ca.crt"},
		"kubeconfig, but":       {[]string{"-n", "other"}, map[string]string{"KEYTURN_USERNAME": "bob"}, "https://login.example.org other bob /ca.crt"},
		"another context":       {[]string{"--context=short"}, nil, "https://login.example.org/keyturn other  "},
		"another server":        {[]string{"--server=https://a.example"}, nil, "https://a.example   "},
		"another way to log in": {[]string{"--context=admin"}, nil, "say where the login server is"},
		"no such context":       {[]string{"--context=none"}, nil, "say where the login server is"},
		"a mistake there":       {[]string{"--context=broken"}, nil, "kubeconfig's user broken logs in"},
		"no kubeconfig":         {[]string{"--kubeconfig=/nonexistent"}, nil, "read the kubeconfig"},
		"a plugin reads none":   {nil, map[string]string{execInfoVariable: "{}"}, "say where the login server is"},
		"this machine":          {[]string{"--server=http://127.0.0.1:8080/"}, nil, "http://127.0.0.1:8080   "},
		"this machine, IPv6":    {[]string{"--server=http://[::1]:8080"}, nil, "http://[::1]:8080   "},
		"http elsewhere":        {[]string{"--server=http://login.example.org"}, nil, "must be an https address"},
		"http to a look-alike":  {[]string{"--server=http://localhost.example.org"}, nil, "must be an https address"},
		"no scheme":             {[]string{"--server=login.example.org"}, nil, "must be an address such as"},
		"another scheme":        {[]string{"--server=ftp://localhost"}, nil, "must be an https address"},
		"a password in it":      {[]string{"--server=https://a:b@login.example.org"}, nil, "must be an address such as"},
		"a query":               {[]string{"--server=https://login.example.org?x"}, nil, "must be an address such as"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &settings{}
			if err := s.flags().Parse(row.args); err != nil {
				t.Fatal(err)
			}
			err := s.complete(func(name string) string { return row.env[name] })
			got := strings.Join([]string{s.server, s.namespace, s.username, s.authority}, " ")
			if err != nil {
				got = err.Error()
			}
			if err == nil && got != row.want || err != nil && !strings.Contains(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
