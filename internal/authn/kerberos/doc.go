// Package kerberos tells whose ticket a browser has sent: Windows sign-in, by SPNEGO (RFC 4178, RFC 4559) with Kerberos 5 (RFC 4120,
// RFC 4121). A Verifier takes the token of the header "Authorization: Negotiate", decrypts the ticket in it with the keytab of a directory
// and returns the principal, and for Active Directory the SID out of the signed PAC. Whether that person may log in now is not in a ticket,
// which is good for hours: the directory has to be asked afterwards.
//
// Only AES counts, for the ticket, its session key and the signature of the PAC. Tickets are for the declared service principal and from
// the declared realm; people of other realms are refused, as are tickets that were seen before. NTLM is refused.
//
// The cryptography and the format of keytabs are those of github.com/jcmturner/gokrb5, which nobody maintains. It is imported here and
// nowhere else, and gets nothing that was not cut to size before; messages are read with golang.org/x/crypto/cryptobyte. A panic becomes
// the reason Internal. Nothing here waits or starts a goroutine, and a token has at most 64 KiB, so that each takes well under a millisecond.
//
// No error of this package has a name, a key, a token or text of the library.
//
// The server answers with no token of its own: browsers do not ask it to prove who it is, since TLS does. What a ticket says about the
// addresses of the client is not looked at, as the server may stand behind proxies.
package kerberos
