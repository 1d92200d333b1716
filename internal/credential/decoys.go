package credential

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// DecoyType is the type of decoys: the Secrets in which the failed logins of usernames that nobody has are counted. Such a username
// locks, and costs, as much as an account, so that nobody can find out which usernames exist.
const DecoyType corev1.SecretType = v1alpha1.GroupName + "/decoys"

const (
	// Decoys is the number of decoys, and namesPerDecoy how many names each of them remembers. Together that is 2,048, far more than
	// people mistype. To have a name forgotten, somebody has to try about as many others, each of which costs a hash and one of
	// the attempts that an IP address has.
	Decoys        = 256
	namesPerDecoy = 8
	// decoyBytes is the size that a decoy is padded to, about that of a credential, so that reading and writing it take as long.
	decoyBytes = 1536

	// excludeFromBackup is the label by which Velero leaves an object out of backups. The operator makes decoys anew, and those of a backup
	// would collide with them.
	excludeFromBackup = "velero.io/exclude-from-backup"

	decoyPrefix = "decoy-"
	keyNames    = "names"
	keyPadding  = "filling"
)

// DecoyKey is the key of the HMAC by which names are found in decoys. Without it nobody can tell which names were tried, nor which of
// them share a Secret.
type DecoyKey []byte

// DecoyName returns the name of the i-th decoy.
func DecoyName(i int) string { return fmt.Sprintf("%s%03d", decoyPrefix, i) }

// IsDecoyName tells whether a Secret has the name of a decoy.
func IsDecoyName(name string) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(name, decoyPrefix))
	return err == nil && n >= 0 && n < Decoys && name == DecoyName(n)
}

// place returns where the failures of a credential's name are counted: the decoy, and the tag of the entry in it. They come from
// different halves of an HMAC.
func (k DecoyKey) place(credentialName string) (decoy, tag string) {
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(credentialName))
	sum := mac.Sum(nil)
	return DecoyName(int(binary.BigEndian.Uint64(sum) % Decoys)), hex.EncodeToString(sum[16:])
}

// decoyEntry has the failures of one name.
type decoyEntry struct {
	tag      string
	failures account.Failures
}

// CreateDecoy creates a decoy without entries. Errors: ErrConflict where it exists already, or the API server's.
func (s *Store) CreateDecoy(ctx context.Context, name string) error {
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = s.Namespace, name
	encodeDecoy(nil, secret)
	if err := s.Writer.Create(ctx, secret); err != nil {
		return s.createError(err)
	}
	return nil
}

// GetDecoy reads a record that stands in for the credential of a name that nobody has. It has failures and nothing else, and Update
// writes it as any other. GetDecoy costs as much as GetRecent, or as Get if live is set. Errors: as of Get; ErrNotFound as long as
// the operator has not created the decoys.
func (s *Store) GetDecoy(ctx context.Context, key DecoyKey, credentialName string, live bool) (*Record, error) {
	if len(key) == 0 {
		return nil, errors.New("there is no key of the decoys: see whether the operator runs, which makes it")
	}
	decoy, tag := key.place(credentialName)
	read := s.getRecent
	if live {
		read = s.getLive
	}
	record, err := read(ctx, decoy, func(secret *corev1.Secret) (*Record, error) { return recordOfDecoy(secret, tag) })
	if err != nil {
		return nil, fmt.Errorf("read %s, which the operator makes: %w", decoy, err)
	}
	return record, nil
}

// decoyRecord is what Update needs of a decoy: all its entries, and which of them the record is about.
type decoyRecord struct {
	tag     string
	entries []decoyEntry
}

// recordOfDecoy reads one entry of a decoy. An entry that does not exist has no failures.
func recordOfDecoy(secret *corev1.Secret, tag string) (*Record, error) {
	if secret.Type != DecoyType {
		return nil, fmt.Errorf("%w: Secret %s is not of type %s: delete it, and the operator makes it anew", ErrInvalid, secret.Name, DecoyType)
	}
	r := &Record{secret: secret, decoy: &decoyRecord{tag: tag, entries: decodeDecoy(secret)}}
	for _, e := range r.decoy.entries {
		if e.tag == tag {
			r.Failures = e.failures
		}
	}
	return r, nil
}

// IsDecoy tells whether the record stands in for a credential that does not exist.
func (r *Record) IsDecoy() bool { return r.decoy != nil }

// encode writes the decoy with new failures of the record's entry, which moves to the end. If there are too many entries, the first is
// dropped: nobody has tried its name for the longest time.
func (d *decoyRecord) encode(failures account.Failures, secret *corev1.Secret) {
	kept := slices.DeleteFunc(slices.Clone(d.entries), func(e decoyEntry) bool { return e.tag == d.tag })
	kept = append(kept, decoyEntry{tag: d.tag, failures: failures})
	encodeDecoy(kept[max(0, len(kept)-namesPerDecoy):], secret)
}

// encodeDecoy writes the entries of a decoy, a line each: tag, failures in a row, time of the lock, times of the failures. Times are in
// milliseconds since 1970.
func encodeDecoy(entries []decoyEntry, secret *corev1.Secret) {
	names := formatLines(entries, func(e decoyEntry) string {
		words := []string{e.tag, strconv.Itoa(e.failures.Consecutive), formatMilliseconds(e.failures.LockedTime)}
		for _, t := range e.failures.Times {
			words = append(words, formatMilliseconds(t))
		}
		return strings.Join(words, " ")
	})
	secret.Type = DecoyType
	if secret.Labels == nil {
		secret.Labels = map[string]string{}
	}
	secret.Labels[excludeFromBackup] = "true"
	secret.Data = map[string][]byte{
		keyFormat: []byte(formatVersion), keyNames: []byte(names),
		keyPadding: bytes.Repeat([]byte("."), max(0, decoyBytes-len(names))),
	}
}

// decodeDecoy reads the entries of a decoy. It skips a line that cannot be read, since no account depends on it.
func decodeDecoy(secret *corev1.Secret) []decoyEntry {
	entries := []decoyEntry{}
	for line := range strings.Lines(string(secret.Data[keyNames])) {
		if e, err := parseDecoyEntry(strings.Fields(line)); err == nil {
			entries = append(entries, e)
		}
	}
	return entries
}

func parseDecoyEntry(words []string) (decoyEntry, error) {
	if len(words) < 3 {
		return decoyEntry{}, errors.New("too short")
	}
	consecutive, err := strconv.Atoi(words[1])
	e := decoyEntry{tag: words[0], failures: account.Failures{Consecutive: consecutive}}
	for i, word := range words[2:] {
		milliseconds, parseErr := strconv.ParseInt(word, 10, 64)
		err = errors.Join(err, parseErr)
		switch at := time.UnixMilli(milliseconds).UTC(); {
		case i > 0:
			e.failures.Times = append(e.failures.Times, at)
		case milliseconds != 0: // 0: not locked.
			e.failures.LockedTime = at
		}
	}
	return e, err
}

func formatMilliseconds(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}
