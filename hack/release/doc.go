// Command release makes a release of Keyturn: the images of the servers, the manifests and the chart that install them, the archives
// of kubectl account, lists of what the programs are made of, and checksums of all of it. `make release VERSION=v0.1.0` runs it;
// docs/releasing.md says what is in the result.
//
// Two runs from one commit, with the same Go, give the same bytes: nothing that it writes depends on the time, the machine or the folder.
package main
