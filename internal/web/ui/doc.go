// Package ui owns what people see: the templates of the pages, their text in every language, style, script and images,
// all inside the binary. It decides nothing; pages hand it what to show.
package ui
