package kerberos

// Reason says in a word why a token was refused.
type Reason string

// The reasons.
const (
	// NotNegotiate: the token does not begin a negotiation, or one in which something else than Kerberos comes first, or it has no ticket.
	NotNegotiate Reason = "NotNegotiate"
	// NTLM: the browser has no ticket and sent the beginning of NTLM, which needs the password's hash and is never taken.
	NTLM Reason = "NTLM"
	// Malformed: the token, or something in it, is not what the standards say it is.
	Malformed Reason = "Malformed"
	// WrongService: the ticket is for another service principal.
	WrongService Reason = "WrongService"
	// WrongRealm: the service, the client, or a realm between them is not of the declared realm.
	WrongRealm Reason = "WrongRealm"
	// WrongKey: no key of the keytab decrypts the ticket. The keytab is probably older than the password of the service's account.
	WrongKey Reason = "WrongKey"
	// WeakEncryption: the ticket, its session key or the signature of its PAC is not of AES.
	WeakEncryption Reason = "WeakEncryption"
	// Invalid: the ticket is postdated, or was not made valid yet.
	Invalid Reason = "Invalid"
	// Expired: the ticket is over.
	Expired Reason = "Expired"
	// ClockSkew: the clock of the client, or of the KDC, differs by more than MaxSkew from the one here.
	ClockSkew Reason = "ClockSkew"
	// Restricted: the ticket counts only under conditions that are not known here.
	Restricted Reason = "Restricted"
	// WrongClient: the name in the ticket is not that of a person, or the one who sent it claims to be somebody else.
	WrongClient Reason = "WrongClient"
	// NoPAC: the ticket has no PAC, or one without the SID of the person.
	NoPAC Reason = "NoPAC"
	// WrongPAC: the PAC is not signed with the key of the service, or is about somebody else.
	WrongPAC Reason = "WrongPAC"
	// Replay: the token was seen before.
	Replay Reason = "Replay"
	// TooManyTickets: too many tokens, of this person or of everybody, have to be remembered. It passes within minutes.
	TooManyTickets Reason = "TooManyTickets"
	// Internal: the library has panicked.
	Internal Reason = "Internal"
)

// Error says why a token was refused. It has nothing of the token, nor of a key.
type Error struct{ Reason Reason }

// Error implements error.
func (e *Error) Error() string { return "the Kerberos token is refused: " + string(e.Reason) }

// Reasons returns all of them.
func Reasons() []Reason {
	return []Reason{
		NotNegotiate, NTLM, Malformed, WrongService, WrongRealm, WrongKey, WeakEncryption, Invalid, Expired, ClockSkew, Restricted, WrongClient, NoPAC, WrongPAC,
		Replay, TooManyTickets, Internal,
	}
}
