// Package httpkit is what every HTTP server of the project needs: problem documents (RFC 9457), strict reading of bodies, cookies,
// client addresses (package forwarded), and middleware that logs requests, bounds and secures them.
//
// The endpoints themselves are in packages beside each other, such as web and webhook, none of which imports another. The package
// knows no account, password or session, and logs nothing that a client has sent.
package httpkit
