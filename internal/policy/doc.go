// Package policy owns which password policy applies to an account, what that policy demands of a password, and whether a password
// meets it. The demands are one table (rules).
//
// It is pure: no Kubernetes client, no HTTP, no clock, no files. Everything that it needs is an argument or compiled in. It does not
// hash or compare stored passwords: Evaluate leaves the two requirements on former passwords to the caller, who has the account's
// hashes. Ageing and lockout are only numbers of Policy here; package account applies them.
//
// # Classes of characters
//
// Lengths are Unicode code points of the prepared password (see Prepare). The classes are such that a browser can count the same:
//
//	uppercase letter  [\p{Lu}\p{Lt}]
//	lowercase letter  [\p{Ll}]
//	digit             [\p{Nd}]
//	symbol            [^\p{L}\p{M}\p{Nd}\p{Cf}], a space among them
//	letter without case  [\p{Lo}\p{Lm}]
//
// A letter without case (Hebrew, Japanese, ...) is neither uppercase nor lowercase nor a symbol. Where classes are counted it is a
// class of its own, as in Active Directory, so that nobody who writes without case is asked for what their keyboard lacks. A combining
// mark belongs to its letter and is of no class, and neither are the invisible joiners in emoji.
//
// # Common passwords
//
// common.txt holds the most common passwords of leaked collections, sorted, in lower case. commongen makes it from the data of the Go
// module github.com/trustelem/zxcvbn; common.LICENSE has the licences. That data leaves out repetitions, sequences, keyboard rows and
// dates, because zxcvbn finds them by their pattern. So does isCommonPattern. People decorate a password to meet rules of composition;
// containsDecorated looks under such decoration, for this list, for DenyLists and for the account's own words alike. The list is
// searched where the linker puts it: it takes no heap, and nothing is loaded at start.
//
// # Strength
//
// The estimate is that of zxcvbn 4.4.2, by github.com/trustelem/zxcvbn. Only a policy with a MinScore asks for it, but the library
// reads its dictionaries whenever a program starts: about 45 ms and 6.5 MB that stay, in every binary that imports this package. See
// asASCII and maxEstimated for what the library is given of a password.
package policy

//go:generate go run ./commongen -out common.txt
