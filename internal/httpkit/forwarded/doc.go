// Package forwarded finds the client's address of a request behind proxies. It trusts only the proxies that the administrator names.
package forwarded
