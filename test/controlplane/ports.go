package controlplane

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports that we choose lie below the range from which kernels take the local ends of outgoing connections (32768 on
// Linux), so a restarted server never finds one of those on its port.
const (
	firstPort = 20000
	lastPort  = 32000
)

// portAttempts is how many ports are tried: with even half of the range in use, all being taken is one in 10^9.
const portAttempts = 30

// chosenPorts are those that FreePort has chosen in this process. Nothing listens on a port yet when it is chosen, and tests that
// run side by side choose hundreds: without this, two servers would be given the same one now and then.
var chosenPorts sync.Map

// FreePort returns a port of 127.0.0.1 that nothing listens on: the preferred one if that is free, else any that it has not
// returned before. Zero prefers none.
func FreePort(preferred int) (int, error) {
	if preferred != 0 && isFree(preferred) {
		return preferred, nil
	}

	for range portAttempts {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if _, chosen := chosenPorts.LoadOrStore(port, true); !chosen && isFree(port) {
			return port, nil
		}
	}

	return 0, fmt.Errorf("found no free port on 127.0.0.1 between %d and %d", firstPort, lastPort)
}

// Address is where a server with that port listens.
func Address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func isFree(port int) bool {
	listener, err := net.Listen("tcp", Address(port))
	if err != nil {
		return false
	}

	return listener.Close() == nil
}
