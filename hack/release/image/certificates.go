package image

import (
	"bytes"
	"encoding/pem"
	"errors"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// certificates returns the authorities that Mozilla trusts, in the form that Go reads from CertificatesName. Without those that only count
// for certificates of before some day: the form cannot say so.
func certificates() ([]byte, error) {
	content := &bytes.Buffer{}

	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}

		if err := pem.Encode(content, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}

	if content.Len() == 0 {
		return nil, errors.New("the bundle has no certificate")
	}

	return content.Bytes(), nil
}
