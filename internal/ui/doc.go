// Package ui renders the pages of every server that has some. It owns their templates, style, script and images, all inside the binary,
// and the parts that pages share. Texts come from package text. What a page shows is decided where its endpoint is, such as in package web.
package ui
