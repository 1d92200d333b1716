// Package policy owns which password policy applies to an account, what that
// policy demands of a password, and whether a password meets it.
//
// It is pure: no Kubernetes client, no HTTP, no clock, no files; whatever it
// needs is an argument or compiled in. It does not hash, remember or compare
// stored passwords: the two requirements that need those (RequirementNotCurrent
// and RequirementHistory) are listed here and answered by whoever holds the
// account. Ageing and lockout are numbers of Policy here; package account gives
// them their meaning.
//
// # Which characters are what
//
// Lengths are Unicode code points of the prepared password (see Prepare). The
// classes are written so that a browser can tell the same:
//
//	uppercase letter  [\p{Lu}\p{Lt}]
//	lowercase letter  [\p{Ll}]
//	digit             [\p{Nd}]
//	symbol            [^\p{L}\p{M}\p{Nd}\p{Cf}], a space among them
//	letter without case  [\p{Lo}\p{Lm}]
//
// A letter without case (Hebrew, Japanese, ...) is neither uppercase nor
// lowercase nor a symbol; where classes are counted it is a class of its own, as in
// Active Directory, so that people who write without case are not asked for what
// their keyboard lacks. A combining mark belongs to its letter and is of no class,
// and neither are the invisible joiners in emoji.
//
// # Common passwords
//
// common.txt holds the most common passwords of leaked collections, sorted, in
// lower case. It is made by commongen from the data of the Go module
// github.com/trustelem/zxcvbn; common.LICENSE has the licences. That data leaves
// out repetitions, sequences, keyboard rows and dates, because zxcvbn finds them by
// their pattern. So does isCommonPattern. What people add to a password so that it
// meets rules of composition is looked through (see containsDecorated), for this
// list, for DenyLists and for the account's own words alike. The list is searched where the linker
// puts it: it takes no heap and nothing is loaded at start.
//
// # Strength
//
// The estimate is that of zxcvbn 4.4.2, by github.com/trustelem/zxcvbn. It is
// made only where a policy has a MinScore, but the library reads its dictionaries
// whenever a program starts: about 45 ms and 6.5 MB that stay, in every binary that
// imports this package. What it is given, and why it is not given everything, is
// said at project and maxEstimated.
package policy

//go:generate go run ./commongen -out common.txt
