package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// maxEntryBytes bounds an entry before it is parsed; those written here have about 400 bytes.
	maxEntryBytes = 4096
	// seedEntry is the name of the entry that holds the seed: seedBytes at random.
	seedEntry = "seed"
	seedBytes = 32
	// pemType is that of PKCS#8 (RFC 7468, section 10).
	pemType = "PRIVATE KEY"
	// createdLabel begins the line that holds the time of creation.
	createdLabel = "Created:"
	// entryNote tells an administrator who looks at an entry what it is. It has no meaning for Decode.
	entryNote = "Keyturn session signing key (ES256). Deleting this entry ends the sessions that it signed."
)

// EntryError says why one entry of a stored ring cannot be used. It contains the name of the entry, and nothing of its content.
type EntryError struct {
	// Name of the entry.
	Name string
	// Reason says what is wrong and what to do about it.
	Reason string
}

// Error implements error.
func (e *EntryError) Error() string { return fmt.Sprintf("signing key entry %q: %s", e.Name, e.Reason) }

// Encode returns the ring as the data of a Secret: one entry per key, named by the key ID, and every entry that
// Decode could not use as it was. Encoding what was decoded gives the same bytes.
//
// An entry is text: lines for people, the line "Created: " with an RFC 3339 time, and the private key as PKCS#8 in
// PEM. Text before PEM is allowed by RFC 7468, section 2; openssl pkey reads an entry as it is.
func (r *Ring) Encode() map[string][]byte {
	data := make(map[string][]byte, len(r.keys)+len(r.refused))
	for name, entry := range r.refused {
		data[name] = bytes.Clone(entry.get())
	}
	for _, k := range r.keys {
		data[k.id] = bytes.Clone(k.entry.get())
	}
	if r.seed.get != nil {
		data[seedEntry] = bytes.Clone(r.seed.get())
	}
	return data
}

// Decode reads a ring from the data of a Secret; no data at all make an empty ring. The ring is never nil and
// holds every key that could be read, also when there is an error: that is one joined [EntryError] for each entry
// that could not, to be shown to the administrator and not to stop anything. Such entries survive Encode.
func Decode(data map[string][]byte) (*Ring, error) {
	var keys []*key
	var errs []error
	refused := map[string]hidden[[]byte]{}
	var seed hidden[[]byte]
	for _, name := range slices.Sorted(maps.Keys(data)) {
		entry := bytes.Clone(data[name])
		if name == seedEntry && len(entry) == seedBytes {
			seed = hide(entry)
			continue
		}
		k, err := parseEntry(name, entry)
		if err != nil {
			refused[name] = hide(entry)
			errs = append(errs, &EntryError{Name: name, Reason: err.Error()})
			continue
		}
		keys = append(keys, k)
	}
	ring := newRing(keys, refused)
	ring.seed = seed
	return ring, errors.Join(errs...)
}

func encodeEntry(private *ecdsa.PrivateKey, created time.Time) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode signing key: %w", err)
	}
	head := fmt.Sprintf("%s\n%s %s\n", entryNote, createdLabel, created.Format(time.RFC3339))
	return append([]byte(head), pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})...), nil
}

// parseEntry reads one entry. Its errors never quote from it, nor do they wrap those of parsers that might.
func parseEntry(name string, entry []byte) (*key, error) {
	if len(entry) > maxEntryBytes {
		return nil, fmt.Errorf("it is longer than %d bytes: delete it", maxEntryBytes)
	}
	start := bytes.Index(entry, []byte("-----BEGIN "))
	if start < 0 {
		return nil, errors.New("it holds no PEM block: delete it if it is no signing key")
	}
	created, err := parseCreated(string(entry[:start]))
	if err != nil {
		return nil, err
	}
	private, err := parsePrivate(entry[start:])
	if err != nil {
		return nil, err
	}
	k, err := keyOfEntry(private, created, entry)
	if err != nil {
		return nil, err
	}
	if name != k.id {
		return nil, fmt.Errorf("its key has the ID %s: rename the entry to that, or delete it", k.id)
	}
	return k, nil
}

// parseCreated finds the time of creation in the text before the key.
func parseCreated(head string) (time.Time, error) {
	var value string
	count := 0
	for line := range strings.Lines(head) {
		if rest, ok := strings.CutPrefix(line, createdLabel); ok {
			value = strings.TrimSpace(rest)
			count++
		}
	}
	created, err := time.Parse(time.RFC3339, value)
	if count != 1 || err != nil {
		return time.Time{}, errors.New(`it needs exactly one line such as "Created: 2026-01-31T12:00:00Z" before the key`)
	}
	return wholeSecond(created), nil
}

// parsePrivate reads a PEM block that must be alone.
func parsePrivate(text []byte) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType || len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New(`it must end with one PEM block of type "PRIVATE KEY" (PKCS#8) and nothing after it`)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("its key is damaged: restore it, or delete the entry")
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, errors.New("its key is not for ES256, which takes ECDSA on P-256: delete the entry")
	}
	return private, nil
}
