package ldap

import (
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/internal/provider"
)

// TestParseLockout: the limit of a domain as it stores it.
func TestParseLockout(t *testing.T) {
	for name, tt := range map[string]struct {
		attributes map[string][]string
		want       provider.DirectoryLockout
		unusable   bool
	}{
		"of a new domain":     {map[string][]string{"lockoutThreshold": {"0"}, "lockoutObservationWindow": {"-18000000000"}}, provider.DirectoryLockout{Known: true, Window: 30 * time.Minute}, false},
		"ten in ten minutes":  {map[string][]string{"lockoutThreshold": {"10"}, "lockoutObservationWindow": {"-6000000000"}}, provider.DirectoryLockout{Known: true, MaxFailures: 10, Window: 10 * time.Minute}, false},
		"never forgotten":     {map[string][]string{"lockoutThreshold": {"3"}, "lockoutObservationWindow": {"-9223372036854775808"}}, provider.DirectoryLockout{Known: true, MaxFailures: 3, Window: provider.Forever}, false},
		"may not be read":     {nil, provider.DirectoryLockout{}, false},
		"the window may not":  {map[string][]string{"lockoutThreshold": {"3"}}, provider.DirectoryLockout{Known: true, MaxFailures: 3}, false},
		"a name that differs": {map[string][]string{"LOCKOUTTHRESHOLD": {"3"}}, provider.DirectoryLockout{Known: true, MaxFailures: 3}, false},
		"no number":           {map[string][]string{"lockoutThreshold": {"many"}}, provider.DirectoryLockout{}, true},
		"no window":           {map[string][]string{"lockoutThreshold": {"3"}, "lockoutObservationWindow": {"PT30M"}}, provider.DirectoryLockout{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := parseLockout(ldap.NewEntry("dc=corp,dc=example", tt.attributes))
			if got != tt.want || ok == tt.unusable {
				t.Errorf("got %+v, %t", got, ok)
			}
		})
	}
}
