package directories

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// operationTimeout is how long one operation of an administrator may take. Each takes milliseconds, but adding to a busy machine's load.
const operationTimeout = 30 * time.Second

// ErrNoEntry says that a directory has no entry of a name.
var ErrNoEntry = errors.New("the directory has no entry of that name")

// administrator manages a directory over one connection, as somebody who may do everything.
type administrator struct {
	url            string
	name, password string
	tls            *tls.Config
	// base is the DN under which everything is.
	base string

	mu         sync.Mutex
	connection *ldap.Conn
}

// do calls operation with a connection that is bound as the administrator.
func (a *administrator) do(operation func(*ldap.Conn) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.connection == nil || a.connection.IsClosing() {
		if err := a.connect(); err != nil {
			return err
		}
	}

	err := operation(a.connection)
	if ldap.IsErrorWithCode(err, ldap.ErrorNetwork) {
		a.connection.Close() //nolint:errcheck // it is broken, and the next operation makes another
		a.connection = nil
	}

	return err
}

func (a *administrator) connect() error {
	connection, err := ldap.DialURL(a.url, ldap.DialWithTLSConfig(a.tls),
		ldap.DialWithDialer(&net.Dialer{Timeout: operationTimeout}))
	if err != nil {
		return fmt.Errorf("connecting to the directory: %w", err)
	}

	connection.SetTimeout(operationTimeout)

	if err := connection.Bind(a.name, a.password); err != nil {
		return errors.Join(fmt.Errorf("binding as the directory's administrator: %w", err), connection.Close())
	}

	a.connection = connection

	return nil
}

// ready is a probe for process.WaitReady.
func (a *administrator) ready(context.Context) error {
	return a.do(func(*ldap.Conn) error { return nil })
}

// close closes the connection; the next operation makes another.
func (a *administrator) close() {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.connection != nil {
		a.connection.Close() //nolint:errcheck // nothing is lost with it
		a.connection = nil
	}
}

func (a *administrator) add(dn string, attributes map[string][]string) error {
	request := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		request.Attribute(name, values)
	}

	if err := a.do(func(c *ldap.Conn) error { return c.Add(request) }); err != nil {
		return fmt.Errorf("adding %s: %w", dn, err)
	}

	return nil
}

// replace replaces attributes of an entry; no values remove an attribute.
func (a *administrator) replace(dn string, attributes map[string][]string, controls ...ldap.Control) error {
	request := ldap.NewModifyRequest(dn, controls)
	for name, values := range attributes {
		request.Replace(name, values)
	}

	return a.modify(request)
}

func (a *administrator) modify(request *ldap.ModifyRequest) error {
	if err := a.do(func(c *ldap.Conn) error { return c.Modify(request) }); err != nil {
		return fmt.Errorf("changing %s: %w", request.DN, err)
	}

	return nil
}

func (a *administrator) remove(dn string) error {
	if err := a.do(func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(dn, nil)) }); err != nil {
		return fmt.Errorf("deleting %s: %w", dn, err)
	}

	return nil
}

// rename gives an entry another relative DN, below the same parent.
func (a *administrator) rename(dn, relative string) error {
	request := ldap.NewModifyDNRequest(dn, relative, true, "")
	if err := a.do(func(c *ldap.Conn) error { return c.ModifyDN(request) }); err != nil {
		return fmt.Errorf("renaming %s: %w", dn, err)
	}

	return nil
}

// find returns the only entry that matches a filter, or ErrNoEntry.
func (a *administrator) find(filter string, want ...string) (*ldap.Entry, error) {
	request := ldap.NewSearchRequest(a.base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0, false, filter, want, nil)

	var result *ldap.SearchResult

	err := a.do(func(c *ldap.Conn) (err error) {
		result, err = c.Search(request)

		return err
	})
	if err != nil {
		return nil, fmt.Errorf("searching for %s: %w", filter, err)
	}

	if len(result.Entries) != 1 {
		return nil, fmt.Errorf("searching for %s, found %d: %w", filter, len(result.Entries), ErrNoEntry)
	}

	return result.Entries[0], nil
}
