package main

import (
	"flag"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/internal/httpserver"
)

func TestOptions(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		want string // part of the error; empty for none
	}{
		"defaults":                 {nil, ""},
		"all":                      {[]string{"--bind-address=:1", "--health-bind-address=:2", "--default-namespace=a", "--hashes=3", "--hash-queue=0", "--log-format=text"}, ""},
		"negative hashes":          {[]string{"--hashes=-1"}, "--hashes"},
		"queue below nothing":      {[]string{"--hash-queue=-1"}, "--hash-queue"},
		"no patience":              {[]string{"--max-staleness=10ms"}, "--max-staleness"},
		"no namespace":             {[]string{"--system-namespace="}, "must not be empty"},
		"credentials among others": {[]string{"--credential-namespace=keyturn-system"}, "a namespace of their own"},
		"webhook":                  {[]string{"--webhook-bind-address=:8443", "--webhook-cert-file=a", "--webhook-key-file=b", "--webhook-audiences=x, y"}, ""},
		"webhook without a key":    {[]string{"--webhook-bind-address=:8443", "--webhook-cert-file=a"}, "--webhook-key-file"},
		"console":                  {[]string{"--console-hosts=login.example.org,::1"}, ""},
		"console with a port":      {[]string{"--console-hosts=login.example.org:443"}, "--console-hosts"},
		"webhook for nobody":       {[]string{"--webhook-bind-address=:8443", "--webhook-cert-file=a", "--webhook-key-file=b", "--webhook-audiences= ,"}, "--webhook-audiences"},
		"certificate without port": {[]string{"--webhook-cert-file=a", "--webhook-key-file=b"}, "--webhook-bind-address"},
		"unknown format":           {[]string{"--log-format=xml"}, "--log-format"},
		"proxies, no throttle":     {[]string{"--trusted-proxies=10.0.0.0/8,fd00::/8", "--address-failures-per-minute=0"}, ""},
		"proxy without a length":   {[]string{"--trusted-proxies=10.0.0.1"}, "--trusted-proxies"},
		"throttle below nothing":   {[]string{"--address-failures-per-minute=-1"}, "--address-failures-per-minute"},
		"no audit log":             {[]string{"--audit-log="}, "--audit-log"},
	} {
		t.Run(name, func(t *testing.T) {
			o, flags := &options{}, flag.NewFlagSet("login", flag.ContinueOnError)
			o.add(flags)
			if err := flags.Parse(row.args); err != nil {
				t.Fatal(err)
			}
			err := o.validate()
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("answered %v, want %q", err, row.want)
			}
		})
	}
}

// TestNoWebhookPort: without --webhook-bind-address there is no port for API servers.
func TestNoWebhookPort(t *testing.T) {
	if port, err := (&webhookOptions{}).listen(&httpserver.Server{}); port != nil || err != nil {
		t.Errorf("listened at %v, %v", port, err)
	}
}
