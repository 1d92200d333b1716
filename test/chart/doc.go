// Package chart proves that charts/keyturn installs what config/default does, that each of its values has the effect that values.yaml
// names, and that values which cannot be meant are refused with words that help. It uses the real Helm, and the API server for what
// only it can tell.
//
// Installing, upgrading, rolling back and uninstalling with Helm are in test/uninstall.
package chart
