package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// releaseTimeout is how long a port of a run that has just been killed may take to become free.
const releaseTimeout = 2 * time.Second

var errAddress = errors.New("the address of the login server must be HOST:PORT, for example 127.0.0.1:8080")

// baseURL is the URL of a server that listens on address. If it listens on all interfaces, the URL is that of this machine.
func baseURL(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errAddress, err)
	}

	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return "", fmt.Errorf("%w: not a port: %q", errAddress, port)
	}

	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}

	return "http://" + net.JoinHostPort(host, port), nil
}

// hostOf is the host of a server's URL, without its port: the name at which the login server has the console.
func hostOf(url string) string {
	host, _, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		return "" // No URL that baseURL makes.
	}

	return host
}

// mayTakePasswords tells whether kubectl account sends a password to this URL. Without TLS it does so on this machine only.
func mayTakePasswords(url string) bool {
	host := hostOf(url)
	ip := net.ParseIP(host)

	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkFree fails if another program listens on the address, and says what to do. Otherwise the login server would fail later, in
// its log.
func checkFree(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()

	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()

	for {
		var config net.ListenConfig

		listener, err := config.Listen(ctx, "tcp", address)
		if err == nil {
			return listener.Close()
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("the login server cannot have %s: %w\n"+
				"Choose another address: make run LOGIN_ADDR=127.0.0.1:8081", address, err)
		case <-ticker.C:
		}
	}
}
