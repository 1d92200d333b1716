// Package docs tests what the documentation says about the repository itself: that the tests and paths it names exist, that its
// links lead somewhere, and that what people copy from it can be read. It also tests what the package comment of internal/web says
// about the files there.
package docs
