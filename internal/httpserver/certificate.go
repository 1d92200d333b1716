package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// CertificateInterval is how often the files of a certificate are read. Most changes are seen at once, because the file system
// reports them.
const CertificateInterval = 10 * time.Second

var errNoCertificate = errors.New("there is no certificate yet")

// certificate is a certificate with its key, as they are in their files.
type certificate struct {
	certFile, keyFile string
	interval          time.Duration
	// watcher is nil until the files could be read once.
	watcher atomic.Pointer[certwatcher.CertWatcher]
}

// follow loads the certificate, and loads it again whenever its files change, until ctx ends. It waits for files that are missing,
// such as those of a Secret that is made later: the server's other ports are served meanwhile. For onCertificate see Port.
func (c *certificate) follow(ctx context.Context, onCertificate func(error)) {
	ticker := time.NewTicker(c.interval)
	defer ticker.Stop()
	for reported := false; ; reported = true {
		watcher, err := certwatcher.New(c.certFile, c.keyFile)
		if err == nil {
			c.watcher.Store(watcher)
			onCertificate(nil)
			err = watcher.WithWatchInterval(c.interval).Start(ctx)
		}
		if err != nil && !reported {
			onCertificate(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// expires returns when the certificate ends; the zero time while there is none.
func (c *certificate) expires() time.Time {
	loaded, err := c.get(nil)
	if err != nil || loaded == nil || loaded.Leaf == nil {
		return time.Time{}
	}
	return loaded.Leaf.NotAfter
}

// get returns the certificate for a TLS handshake.
func (c *certificate) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if watcher := c.watcher.Load(); watcher != nil {
		return watcher.GetCertificate(hello)
	}
	return nil, errNoCertificate
}
