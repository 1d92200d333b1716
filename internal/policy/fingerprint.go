package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
)

// rulesVersion is raised when Evaluate answers otherwise than before about any password under an unchanged policy.
const rulesVersion = 3

// Fingerprint returns a short text that stays the same as long as Evaluate and the history rule answer the same about the same
// password and Subject. It becomes another when they might not: when a rule, the content of a deny list or the built-in list
// changes. The policy's name, its hashing (bcrypt's limit aside), ageing and lockout are not in it, and neither are the words of the
// account. Fingerprints are stored: a change of how they are made has every refused password judged and written again.
func (p Policy) Fingerprint(lists ...*DenyList) string {
	f := &fingerprint{lists: lists}
	f.number("%d", rulesVersion)
	for i := range rules {
		rules[i].fingerprint(f, &p)
	}
	sum := sha256.Sum256(append(f.numbers, f.rest...))
	return hex.EncodeToString(sum[:16])
}

// fingerprint is the text whose hash is a fingerprint: a line with the numbers of the oldest rules, which RequirementMaxLength ends, and
// then the rest.
type fingerprint struct {
	numbers, rest []byte
	lists         []*DenyList
}

func (f *fingerprint) number(format string, value any) {
	f.numbers = fmt.Appendf(f.numbers, format, value)
}

func (f *fingerprint) write(format string, values ...any) {
	f.rest = fmt.Appendf(f.rest, format, values...)
}

// writeLists writes the content of the lists, whatever their order, if the policy names any.
func (f *fingerprint) writeLists(wanted int) {
	if wanted == 0 {
		return
	}
	var digests [][]byte
	for _, list := range f.lists {
		if list != nil {
			digests = append(digests, list.digest[:])
		}
	}
	slices.SortFunc(digests, bytes.Compare)
	f.write("\n%d lists of %d\n%s", len(digests), wanted, bytes.Join(digests, nil))
}

// commonDigest reads the whole list, once and when it is first asked for.
var commonDigest = sync.OnceValue(func() [sha256.Size]byte { return sha256.Sum256([]byte(commonWords)) })
