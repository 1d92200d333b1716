package main

import (
	"flag"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	for name, row := range map[string]struct {
		arguments []string
		want      string
	}{
		"defaults":                             {nil, ""},
		"other namespaces":                     {[]string{"--system-namespace=a", "--provider-namespace=b"}, ""},
		"no namespace":                         {[]string{"--provider-namespace="}, "must not be empty"},
		"the same namespace as of credentials": {[]string{"--credential-namespace=keyturn-providers"}, "must differ"},
		"no namespace of credentials":          {[]string{"--credential-namespace="}, "must not be empty"},
		"three login servers":                  {[]string{"--login-replicas=3"}, ""},
		"no login server":                      {[]string{"--login-replicas=0"}, "--login-replicas"},
		"the same namespace":                   {[]string{"--system-namespace=a", "--provider-namespace=a"}, "must differ"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &options{}
			flags := flag.NewFlagSet(name, flag.ContinueOnError)
			o.add(flags)
			if err := flags.Parse(row.arguments); err != nil {
				t.Fatal(err)
			}
			err := o.validate()
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("answered %v, want %q", err, row.want)
			}
		})
	}
}
