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
		"defaults":           {nil, ""},
		"no grace":           {[]string{"--orphan-grace=0"}, ""},
		"negative grace":     {[]string{"--orphan-grace=-1h"}, "--orphan-grace"},
		"negative hashes":    {[]string{"--hashes=-1"}, "--hashes"},
		"no certificate":     {[]string{"--webhook-certificate=External"}, ""},
		"unknown maker":      {[]string{"--webhook-certificate=me"}, "--webhook-certificate"},
		"no audit log":       {[]string{"--audit-log="}, "--audit-log"},
		"no namespace":       {[]string{"--system-namespace="}, "must not be empty"},
		"the same namespace": {[]string{"--system-namespace=a", "--credential-namespace=a"}, "must differ"},
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
