// Package forwarded tells where a request came from, behind proxies. It believes nobody whom the administrator has not named.
package forwarded
