package policy

import (
	"testing"

	"github.com/keyturn/keyturn/internal/hash"
)

// TestFingerprintsThatAreStored: former versions have stored these fingerprints with refused passwords. The same policies still have
// them; with others, each of those passwords would be judged and written again. A change of what Evaluate answers raises rulesVersion, and
// then these change with it.
func TestFingerprintsThatAreStored(t *testing.T) {
	bcrypt := hash.DefaultParameters()
	bcrypt.Algorithm = hash.Bcrypt
	for want, got := range map[string]string{
		"269c41ce67d6db0ff8cc4fcb90d17ee1": Default().Fingerprint(),
		"18a643e724abdac9b2f1a08060318676": Policy{MinLength: 1, MaxLength: 256}.Fingerprint(),
		"771a2aee6fe13c7c684a1964e6218b91": Policy{
			MinLength: 10, MaxLength: 72, MinUppercase: 1, MinLowercase: 2, MinDigits: 3, MinSymbols: 4, MinClasses: 3, MinScore: 2,
			DenyCommon: true, DenyAccountWords: true, DenyLists: []string{"a", "b"}, HistoryCount: 5, Hashing: bcrypt,
		}.Fingerprint(NewDenyList("one\ntwo"), NewDenyList("three")),
		"be337b7aa37eb62c63840e4b5f4bc1c9": Policy{MinLength: 8, MaxLength: 64, MaxRepeated: 3, DenyCommon: true, DenyAccountWords: true}.Fingerprint(),
	} {
		if got != want {
			t.Errorf("the fingerprint is %s, and was %s", got, want)
		}
	}
}
