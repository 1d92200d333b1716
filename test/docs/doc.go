// Package docs tests what the documentation says about the repository itself: that the tests and paths it names exist, and that
// its links lead somewhere. It also tests what the package comment of internal/web says about the files there.
package docs
