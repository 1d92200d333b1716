// Package docs tests what the documentation says about the repository itself: that the tests it names are there, and that its
// links lead somewhere.
package docs
