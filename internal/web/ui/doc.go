// Package ui renders the pages. It owns their templates, style, script and images, all inside the binary. Texts come from package
// text. What a page shows is decided in package web.
package ui
