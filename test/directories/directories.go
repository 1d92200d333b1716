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
}

func (p Person) name() string {
	if p.Name == "" {
		return p.Username
	}

	return p.Name
}

// Bind is an attempt to prove a name and a password to a directory.
type Bind struct {
	// Name as the client gave it: a DN, or in Active Directory a userPrincipalName.
	Name string
	// Result is empty for a bind that succeeded, and otherwise the server's word for what was wrong.
	Result string
}

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
