package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/keyturn/keyturn/test/directories"
)

// introduction is the text that says what to try.
func (d *domain) introduction(s settings) (string, error) {
	config := quote(filepath.Join(s.dir, domainFolder, "smb.conf"))

	text := fmt.Sprintf(`
The sample directory is ready: Corp, a domain of Active Directory. Its controller is Samba, and not Windows.
Open %[1]s and log in with username and password:
  %[2]s / %[6]s has an account; the password cannot be changed here, and the page says who keeps it: %[1]s/change-password
  %[3]s / %[6]s is disabled in the directory
  %[4]s / %[6]s must change the password there before the next login
  %[5]s / %[6]s has a password there that has expired
A link to change the password leads to %[7]s, where nothing is.

Try next, in another terminal:
  export KUBECONFIG=%[8]s
  kubectl get identityproviders
  kubectl get useraccount %[2]s -n %[9]s -o yaml

Disable %[2]s in the directory, as root, and the session ends within a minute or so; "enable" takes it back:
  samba-tool user disable %[2]s -d 0 --configfile=%[10]s
A session ends as well when the password is set there, or a group of the mappings is lost:
  samba-tool user setpassword %[2]s --newpassword='Another+7/harbour' -d 0 --configfile=%[10]s
  samba-tool group removemembers %[11]s %[2]s -d 0 --configfile=%[10]s
`,
		s.loginURL, normalPerson, disabledPerson, mustChangePerson, expiredPerson, directoryPassword, directoryPasswordURL,
		quote(filepath.Join(s.dir, kubeconfigFile)), sampleOrganisation, config, directGroup)

	if mayTakePasswords(s.loginURL) {
		text += introductionOnThisMachine(s)
	}

	return text + fmt.Sprintf(`
Ctrl-C ends it and deletes the IdentityProvider %s and its accounts.`, directoryName), nil
}

// introductionOnThisMachine is the part about what needs TLS, or a login server on this machine.
func introductionOnThisMachine(s settings) string {
	port := s.loginURL[strings.LastIndex(s.loginURL, ":"):]

	return fmt.Sprintf(`
Be %[1]s in Kubernetes; kubectl asks for username and password:
  kubectl --kubeconfig %[2]s auth whoami

Windows sign-in needs a ticket and a browser that may show it to %[3]s. Use this name: for 127.0.0.1, browsers ask for no ticket.
In Chromium, choose "Sign in with Windows"; nothing is typed there. kinit asks for the password of %[1]s:
  export KRB5_CONFIG=%[4]s KRB5CCNAME=FILE:/tmp/keyturn-ticket
  kinit %[1]s@%[5]s
  chromium --auth-server-allowlist=%[3]s --user-data-dir=/tmp/keyturn-chromium http://%[3]s%[6]s/login
As root, Chromium needs --no-sandbox as well. In a new profile it shows the form first: it finds Kerberos only after a server has asked for a ticket.
Choose "Sign in with Windows" again. Without the ticket, after kdestroy and a new start of the browser, the same choice shows the form.
`,
		normalPerson, quote(filepath.Join(s.dir, personKubeconfigFile)), signInHost,
		quote(filepath.Join(s.dir, kerberosConfigFile)), directories.Realm, port)
}
