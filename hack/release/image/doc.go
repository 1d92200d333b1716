// Package image makes the image of a server, from nothing: its programs and the certificates of public authorities.
package image
