// Package ui owns what people see: the templates of the pages, style, script and images, all inside the binary. Texts come
// from package text. It decides nothing; pages hand it what to show.
package ui
