// Package directories runs directory servers and a Kerberos server on this machine: Samba as a domain controller of Active Directory,
// OpenLDAP's slapd with its overlays ppolicy and memberof, and MIT's krb5kdc. Tests start them.
//
// Each server has its own folder, its own addresses on the loopback interface, and a certificate of an authority of its own, so that several
// run side by side. Its methods put people into the states that a directory knows: disabled, locked, with an expired password, and
// so on; and they count the binds that reached the server, by the server's own log.
//
// The script hack/directories installs the programs. Where they are missing, the Start functions fail and say so. Samba is not Windows:
// what works with it is likely to work with a Windows domain controller, and no more.
package directories
