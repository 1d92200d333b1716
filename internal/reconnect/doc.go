// Package reconnect keeps the watches of both servers from pausing while the API server cannot be reached.
package reconnect
