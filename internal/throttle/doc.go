// Package throttle bounds how fast attempts from one address may fail, in bounded memory. It stands in front of the lockout
// of accounts, which bounds the guesses at one account whatever they come from; this bounds the guesses of one address,
// whatever accounts they are at. It is per process, and forgets with it.
//
// Only failures count. An attempt takes its place when it begins, so that parallel ones cannot outrun the count, and gives it
// back when it has not failed.
package throttle
