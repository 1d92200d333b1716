// Package certificate makes and renews the certificate of the login server's port for API servers, and the certificate authority that
// issues it. The authority's own certificate is published in a ConfigMap, for the control-plane nodes.
//
// A Secret that somebody else has made under the certificate's name is left alone.
package certificate
