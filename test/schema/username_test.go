package schema_test

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestUsernameIsImmutable also covers the way from unset to set, where the name of the object is the username.
func TestUsernameIsImmutable(t *testing.T) {
	const (
		unset = `{"spec":{"username":null}}`
		same  = `{"spec":{"username":"ada"}}`
		other = `{"spec":{"username":"grace"}}`
		upper = `{"spec":{"username":"Ada"}}`
	)

	tests := map[string]struct {
		stored, patch string
		allowed       bool
	}{
		"unset, to the object's name": {`{}`, same, true},
		"unset, to another":           {`{}`, other, false},
		"unset, to another case":      {`{}`, upper, false},
		"unset, left out":             {`{}`, unset, true},
		"set, to another":             {`username: ada`, other, false},
		"set, to unset":               {`username: ada`, unset, true},
		"other, to the object's name": {`username: grace`, same, false},
		"other, to unset":             {`username: grace`, unset, false},
		"other, kept":                 {`username: grace`, other, true},
		"other, without a spec":       {`username: grace`, `{"spec":null}`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			account := object(t, userAccount, "ada", "spec", tt.stored)
			create(t, account)

			err := api.Patch(t.Context(), account, client.RawPatch(types.MergePatchType, []byte(tt.patch)))
			if tt.allowed {
				if err != nil {
					t.Error(err)
				}

				return
			}

			want := []string{rule("spec.username", "username is immutable: create another account instead")}
			if got := refusals(t, err); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
