// Package httpkit is what every HTTP server of the project needs: problem documents (RFC 9457), strict reading of bodies, cookies,
// client addresses (package forwarded), and middleware that logs requests, bounds and secures them.
//
// The endpoints are in sibling packages such as web and webhook, none of which imports another. Package httpkit knows no account,
// password or session, and logs nothing that a client has sent.
package httpkit
