package directories

import "fmt"

// kerberosConfig is a krb5.conf for one realm. Names of hosts are taken as they are, since no DNS knows them; localhost is in the realm.
func kerberosConfig(realm, kdc string) string {
	return fmt.Sprintf(`[libdefaults]
 default_realm = %[1]s
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
[realms]
 %[1]s = {
  kdc = %[2]s
 }
[domain_realm]
 localhost = %[1]s
`, realm, kdc)
}
