package token

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/lru"
)

// PublicationDelay is how long a key is in the ring before it signs, so that every replica has it when the first of
// its tokens arrives.
const PublicationDelay = 5 * time.Minute

// SecretName is the name of the Secret that holds the ring, in Keyturn's own namespace.
const SecretName = "keyturn-signing-keys"

// keyIDBytes is the length of a key ID before it is written in hex: 128 bits, more than enough to tell apart
// keys that nobody else chooses.
const keyIDBytes = 16

// maxVerified bounds how many tokens a ring remembers. One takes about 900 bytes, so all of them 7 MiB. It is for clients that ask
// many times a minute, as a page with its parts does behind a proxy.
const maxVerified = 8192

// Ring is an immutable set of signing keys; the zero Ring is empty. Any number of goroutines may use one. It
// prints without its keys.
type Ring struct {
	// keys are sorted by the time of creation, then by ID, so that all replicas agree on their order.
	keys []*key
	// refused are entries that Decode could not use and Encode gives back, by name. A damaged key is still a secret.
	refused map[string]hidden[[]byte]
	// seed is what Derive derives secrets from. It is kept for ever, unlike keys, and signs nothing.
	seed hidden[[]byte]
	// verified has the claims of tokens whose form and signature were found right, by the token: checking a signature takes longer than
	// the rest of a session check. Times, audience and whether the session has ended are still checked each time. Hashing the tokens
	// would protect nothing: who can read this memory finds the signing keys beside them.
	// Only tokens that the keys have signed are added, so strangers cannot displace others. The zero Ring has none.
	verified hidden[*lru.Cache]
}

// key is one ES256 key pair.
type key struct {
	id      string
	created time.Time
	public  *ecdsa.PublicKey
	private hidden[*ecdsa.PrivateKey]
	// entry is the key as it is stored, kept to the byte so that writing a ring back changes nothing.
	entry hidden[[]byte]
}

func newRing(keys []*key, refused map[string]hidden[[]byte]) *Ring {
	slices.SortFunc(keys, func(a, b *key) int {
		return cmp.Or(a.created.Compare(b.created), strings.Compare(a.id, b.id))
	})
	return &Ring{keys: keys, refused: refused, verified: hide(lru.New(maxVerified))}
}

// Len returns the number of usable keys. A ring without any cannot sign.
func (r *Ring) Len() int { return len(r.keys) }

// Derive returns a secret of 32 bytes for a purpose, the same on all replicas and after rotations (HKDF, RFC 5869). It returns nil if
// the ring has no seed, as before its first rotation.
func (r *Ring) Derive(purpose string) []byte {
	if r.seed.get == nil {
		return nil
	}
	derived, err := hkdf.Key(sha256.New, r.seed.get(), nil, "keyturn "+purpose, sha256.Size)
	if err != nil {
		return nil
	}
	return derived
}

// NewestCreatedTime is when the newest usable key was made; zero if there is none.
func (r *Ring) NewestCreatedTime() time.Time {
	if len(r.keys) == 0 {
		return time.Time{}
	}
	return r.keys[len(r.keys)-1].created
}

// signingKey returns the newest key that has been published for PublicationDelay. If there is none (the very
// first key, or a clock that went back past all of them), the oldest signs: replicas have had it for longest.
func (r *Ring) signingKey(now time.Time) *key {
	if len(r.keys) == 0 {
		return nil
	}
	for _, k := range slices.Backward(r.keys) {
		if !k.signsFrom().After(now) {
			return k
		}
	}
	return r.keys[0]
}

// find returns the key of that ID, or nil. A ring holds few keys: a loop beats a map.
func (r *Ring) find(id string) *key {
	for _, k := range r.keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

func (k *key) signsFrom() time.Time { return k.created.Add(PublicationDelay) }

func generateKey(now time.Time) (*key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	return newKey(private, wholeSecond(now))
}

func newKey(private *ecdsa.PrivateKey, created time.Time) (*key, error) {
	entry, err := encodeEntry(private, created)
	if err != nil {
		return nil, err
	}
	return keyOfEntry(private, created, entry)
}

func keyOfEntry(private *ecdsa.PrivateKey, created time.Time, entry []byte) (*key, error) {
	id, err := keyID(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	return &key{id: id, created: created, public: &private.PublicKey, private: hide(private), entry: hide(entry)}, nil
}

// keyID returns the first 128 bits of the SHA-256 of the public key (SubjectPublicKeyInfo, DER) in hex. An ID
// that follows from the key shows when an entry was renamed or its key exchanged. It can be checked with
// openssl pkey -pubout -outform DER | sha256sum | cut -c1-32.
func keyID(public *ecdsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("encode public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:keyIDBytes]), nil
}

// isKeyID tells whether id has the form of a key ID: the ring is not reloaded for others.
func isKeyID(id string) bool {
	return len(id) == hex.EncodedLen(keyIDBytes) && strings.Trim(id, "0123456789abcdef") == ""
}
