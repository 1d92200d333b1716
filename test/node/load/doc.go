// Package load has people log in and check their sessions at a steady pace, over connections that are kept and over fresh ones, and
// notes for each request when it began, how long it took and whether it failed. Its files carry the build tag node.
package load
