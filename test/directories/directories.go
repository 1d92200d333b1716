package directories

import "time"

// Options of a server. The zero value suits tests.
type Options struct {
	// Address is the loopback address of a domain controller; any on which its ports are free if they are not there, or if it is empty.
	Address string
	// Port of slapd's StartTLS and of krb5kdc; LDAPS is one above. Any that is free if that one is not, or if it is zero.
	Port int
}

// Person is somebody whom a directory knows.
type Person struct {
	// Username is the sAMAccountName in Active Directory, and the uid in slapd. Usernames of Active Directory have at most 20 characters.
	Username string
	Password string
	// Name is the common name, and so a part of the DN; the username if it is empty. Email may be empty.
	Name  string
	Email string
	// Unit is the organizational unit that the person is in. Empty, it is where the server has people.
	Unit string
}

func (p Person) name() string {
	if p.Name == "" {
		return p.Username
	}

	return p.Name
}

// Bind is a simple bind that a directory was asked for.
type Bind struct {
	// Name as the client gave it: a DN, or in Active Directory a userPrincipalName.
	Name string
	// Username of the entry that the name belongs to; empty if there is none.
	Username string
	// Result is empty for a bind that succeeded. Otherwise it is a status of Windows, for example NT_STATUS_WRONG_PASSWORD, or in slapd the
	// number of the result, for example err=49.
	Result string
}

// Search is a search that a directory was asked for.
type Search struct{ Base, Filter string }

// Lockout is what a directory does about wrong passwords. A threshold of zero turns it off.
type Lockout struct {
	// Threshold is the number of wrong passwords that locks an entry.
	Threshold int
	// Duration of a lock, and Window after which the server forgets a wrong password.
	Duration, Window time.Duration
}

const (
	// startTimeout is how long a server may take to start. None takes more than a second on an idle machine.
	startTimeout = 60 * time.Second
	// stopGrace is what a server gets to end.
	stopGrace = 5 * time.Second
)
