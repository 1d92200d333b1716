package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
)

// rulesVersion is raised when Evaluate changes its mind about any password.
const rulesVersion = 3

// Fingerprint returns a short text that is the same as long as Evaluate and the
// history rule would answer the same about the same password and Subject, and
// another when they might not: when a rule, the content of a deny list or the built-in
// list changes. What it is called, how it is hashed (bcrypt's limit aside), ages and
// locks is not in it, and neither are the words of the account.
func (p Policy) Fingerprint(lists ...*DenyList) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d %d-%d %d %d %d %d %d %d %t %t %d %d\n", rulesVersion,
		p.MinLength, p.MaxLength, p.MinUppercase, p.MinLowercase, p.MinDigits, p.MinSymbols, p.MinClasses, p.MinScore,
		p.DenyCommon, p.DenyAccountWords, p.HistoryCount, p.byteLimit())
	if p.DenyCommon {
		digest := commonDigest()
		h.Write(digest[:])
	}
	if len(p.DenyLists) > 0 {
		var digests [][]byte
		for _, list := range lists {
			if list != nil {
				digests = append(digests, list.digest[:])
			}
		}
		_, _ = fmt.Fprintf(h, "\n%d lists of %d\n", len(digests), len(p.DenyLists))
		slices.SortFunc(digests, bytes.Compare)
		h.Write(bytes.Join(digests, nil))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// commonDigest reads the whole list, once and when it is first asked for.
var commonDigest = sync.OnceValue(func() [sha256.Size]byte { return sha256.Sum256([]byte(commonWords)) })
