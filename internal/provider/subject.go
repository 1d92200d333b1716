package provider

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// Binding says whether the subject that an account declares, or its name in a directory, is its own.
type Binding struct {
	// Problem is why it is not; empty where it is.
	Problem v1alpha1.StandingReason
	// Message tells people about Problem and what to do; empty without one.
	Message string
}

// Bind tells whether the subject that an account declares, or its name in a directory, is its own. rivals are the accounts that declare the same subject or, in
// a directory, the same name, with or without itself: of a directory those of all namespaces that may use it, and else those of its namespace. p is nil
// where the provider does not exist.
func Bind(account *v1alpha1.UserAccount, p *v1alpha1.IdentityProvider, rivals []*v1alpha1.UserAccount) Binding {
	isDirectory := p != nil && IsDirectory(p)
	if p != nil && !isDirectory && account.Spec.Authentication.Subject == "" {
		return Binding{Problem: v1alpha1.ReasonSubjectNotDeclared, Message: "The account does not say who its person is at the provider: declare spec.authentication.subject. " +
			"A person who logs in there is shown it, and the audit log has it"}
	}
	if isDirectory && account.Spec.Authentication.Subject != "" && HasUUIDs(p) && !IsUUID(account.Spec.Authentication.Subject) {
		return Binding{Problem: v1alpha1.ReasonSubjectInvalid, Message: "The directory names its people by UUIDs, and spec.authentication.subject is not written as one: " +
			"declare it in lower case with hyphens, such as 1b2c3d4e-5f60-4a7b-8c9d-0e1f2a3b4c5d. Base64, as ldapsearch prints an objectGUID, has to be converted"}
	}
	first := FirstOfSubject(rivals)
	if first == nil || first.UID == account.UID || precedes(account, first) {
		return Binding{}
	}
	// The messages do not name that account: where thousands declare one subject, each change of the first would have to be written to all. And of
	// another namespace, people should not learn who is there.
	if isDirectory {
		return Binding{Problem: v1alpha1.ReasonSubjectConflict, Message: "Another UserAccount of the cluster has declared the same spec.authentication.externalName " +
			"(the username, where it is left out) or subject in the directory for longer: declare another, or have one of the accounts deleted"}
	}
	return Binding{Problem: v1alpha1.ReasonSubjectConflict, Message: "Another UserAccount of this namespace has declared the subject for longer: " +
		"declare another subject, or delete one of the accounts"}
}

// IsUUID tells whether a subject is a UUID (RFC 9562), in lower case: as text, one UUID has one form.
func IsUUID(subject string) bool { return uuidText.MatchString(subject) }

var uuidText = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// HasUUIDs tells whether the IDs of people in a directory are UUIDs, which entryUUID (RFC 4530) and the objectGUID of Active Directory are. No ID of another form
// is anybody's there.
func HasUUIDs(directory *v1alpha1.IdentityProvider) bool {
	declared := directory.Spec.LDAP.Users.IDAttribute
	return declared == "" || strings.EqualFold(declared, "entryUUID") || strings.EqualFold(declared, "objectGUID")
}

// FirstOfSubject returns whose a subject is, out of the accounts that declare it: the one that was created first, then the
// first by namespace and name; nil where there is none. An account that is being deleted is gone.
func FirstOfSubject(accounts []*v1alpha1.UserAccount) *v1alpha1.UserAccount {
	var first *v1alpha1.UserAccount
	for _, a := range accounts {
		if a.DeletionTimestamp == nil && (first == nil || precedes(a, first)) {
			first = a
		}
	}
	return first
}

// SortByAge sorts accounts: the one that was created first comes first, then the first by namespace and name.
func SortByAge(accounts []*v1alpha1.UserAccount) { slices.SortFunc(accounts, compareAges) }

func precedes(a, b *v1alpha1.UserAccount) bool { return compareAges(a, b) < 0 }

func compareAges(a, b *v1alpha1.UserAccount) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// FoldName returns the name of a person as directories compare it (RFC 4518, for caseIgnoreMatch): without regard to case, to compatible forms of the
// same letters, to invisible characters, and to the number of spaces.
func FoldName(name string) string {
	if isASCII(name) {
		name = strings.ToLower(name)
	} else {
		visible := strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Cf, r) {
				return -1
			}
			return r
		}, name)
		name = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(visible)))
	}
	return strings.Join(strings.Fields(name), " ")
}
