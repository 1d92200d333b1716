package provider

import (
	"cmp"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// Binding says whether the subject that an account declares is its own.
type Binding struct {
	// Problem is why it is not; empty where it is.
	Problem v1alpha1.StandingReason
	// Message tells people about Problem and what to do; empty without one.
	Message string
}

// Bind tells whether the subject that an account declares is its own. ofSubject are the accounts of its namespace that declare the same
// subject at the same provider, with or without itself.
func Bind(account *v1alpha1.UserAccount, ofSubject []*v1alpha1.UserAccount) Binding {
	if account.Spec.Authentication.Subject == "" {
		return Binding{Problem: v1alpha1.ReasonSubjectNotDeclared, Message: "The account does not say who its person is at the provider: declare spec.authentication.subject. " +
			"A person who logs in there is shown it, and the audit log has it"}
	}
	first := FirstOfSubject(ofSubject)
	if first == nil || first.UID == account.UID || precedes(account, first) {
		return Binding{}
	}
	// The message does not name that account: where thousands declare one subject, each change of the first would have to be written to all.
	return Binding{Problem: v1alpha1.ReasonSubjectConflict, Message: "Another UserAccount of this namespace has declared the subject for longer: " +
		"declare another subject, or delete one of the accounts"}
}

// FirstOfSubject returns whose a subject is, out of the accounts of a namespace that declare it: the one that was created first, then the
// first by name; nil where there is none. An account that is being deleted is gone.
func FirstOfSubject(accounts []*v1alpha1.UserAccount) *v1alpha1.UserAccount {
	var first *v1alpha1.UserAccount
	for _, a := range accounts {
		if a.DeletionTimestamp == nil && (first == nil || precedes(a, first)) {
			first = a
		}
	}
	return first
}

func precedes(a, b *v1alpha1.UserAccount) bool {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name)) < 0
}
