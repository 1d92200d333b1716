package directorysweep

import (
	"fmt"
	"slices"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
)

// TestUnreadIsToldOnce: the log names an account when its person begins to be unreadable, and not at each sweep.
func TestUnreadIsToldOnce(t *testing.T) {
	var people []*person
	for n := range 3 {
		who := &person{account: &v1alpha1.UserAccount{}, record: &credential.Record{}}
		who.account.Namespace, who.account.Name = "acme", fmt.Sprintf("account-%d", n)
		who.record.Credential = account.Credential{External: account.External{Subject: fmt.Sprintf("s-%d", n)}}
		people = append(people, who)
	}
	before := map[string]bool{}
	for _, tt := range []struct{ unreadable, want []string }{
		{[]string{"s-1"}, []string{"acme/account-1"}},
		{[]string{"s-1"}, nil},
		{[]string{"s-1", "s-2"}, []string{"acme/account-2"}},
		{nil, nil},
		{[]string{"s-1", "of-nobody"}, []string{"acme/account-1"}},
	} {
		s := &sweep{unread: unread{before: before}}
		answer := Answer{Unreadable: map[string]bool{}}
		for _, subject := range tt.unreadable {
			answer.Unreadable[subject] = true
		}
		s.noteUnread(people, answer)
		if !slices.Equal(s.unread.accounts, tt.want) || s.unread.isSomething() != (len(tt.unreadable) > 0) {
			t.Errorf("%v is told as %v, want %v", tt.unreadable, s.unread.accounts, tt.want)
		}
		before = s.unread.people
	}
}
