// Package e2e tests Keyturn from outside: the two real binaries against a real API server and etcd, each under the token
// of its own ServiceAccount with the rights of config/default, so that a right that is missing there shows here. Tests
// speak HTTP and the Kubernetes API as people, pipelines and administrators do, and know nothing of the code within; only
// where days would have to pass do they set back the times in a credential, as an administrator could.
//
// A test that stops or kills a server of all tests, or measures time, runs by itself. The others run side by side, each in an organisation of its own.
package e2e
