// Package httpserver runs the ports of a server program, such as the login server.
//
//	server := &httpserver.Server{Ready: ready, Metrics: registry}
//	defer server.Close()
//	port, err := server.Listen(":8080", 4096) // a port with TLS: ListenTLS
//	...
//	err = server.ListenHealth(":8081")
//	...
//	port.Handler = handler
//	return server.Run(stop, failed)
//
// # What it owns
//
// Opening ports, TLS with certificates that are followed in their files, timeouts and limits of connections, the health port
// (/healthz, /readyz, /metrics), and draining: the server says that it is not ready, still answers until load balancers have seen
// that, closes its ports, and waits for the requests that are under way.
//
// # What it may not do
//
// Know what a port is for: requests are answered by handlers that the program gives it. It imports nothing else of Keyturn, and only
// programs (cmd) import it.
package httpserver
