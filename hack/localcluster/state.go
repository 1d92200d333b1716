package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/keyturn/keyturn/hack/internal/lock"
	"github.com/keyturn/keyturn/test/controlplane"
)

// The files of the state folder; the control plane adds its own, which ownedByControlPlane lists.
const (
	lockFile       = "lock"
	stateFile      = "state.json"
	kubeconfigFile = "kubeconfig"
	// personKubeconfigFile is for the people of the sample organisation: kubectl asks them who they are.
	personKubeconfigFile = "person.kubeconfig"
)

var ownedByControlPlane = []string{"etcd", "pki", "logs"}

// state is kept from one run to the next. Ports are preferences: a port that is taken is replaced.
type state struct {
	ControlPlane    controlplane.Ports `json:"controlPlane"`
	OperatorHealth  int                `json:"operatorHealth"`
	OperatorMetrics int                `json:"operatorMetrics"`
	LoginHealth     int                `json:"loginHealth"`
	// SamplesApplied: the samples have been applied once. From then on the person who uses the cluster may change them.
	SamplesApplied bool `json:"samplesApplied"`
}

// loadState reads the state of an earlier run, or returns an empty one if there was none.
func loadState(dir string) (state, error) {
	var s state

	path := filepath.Join(dir, stateFile)

	content, err := os.ReadFile(filepath.Clean(path))
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}

	if err == nil {
		err = json.Unmarshal(content, &s)
	}

	if err != nil {
		return state{}, fmt.Errorf("reading %s (make clean-local forgets the state): %w", path, err)
	}

	return s, nil
}

func (s state) save(dir string) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}

	return controlplane.WriteFile(filepath.Join(dir, stateFile), append(content, '\n'))
}

// forget removes the state from dir, and dir itself if nothing else is in it. It removes nothing from a folder that runs have not used,
// or that a running cluster uses.
func forget(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, lockFile)); errors.Is(err, os.ErrNotExist) {
		return nil // No local cluster has used the folder.
	}

	held, err := lock.Try(filepath.Join(dir, lockFile))
	if err != nil {
		return explainLock(err, dir)
	}
	defer held.Release()

	names := append([]string{
		stateFile, kubeconfigFile, personKubeconfigFile, providerFolder, domainFolder, kerberosConfigFile,
		sampleLockFile, directoryKubeconfigFile,
	}, ownedByControlPlane...)
	for _, s := range servers() {
		names = append(names, s.kubeconfigFile())
	}

	for _, name := range append(names, lockFile) {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("forgetting the local cluster: %w", err)
		}
	}

	_ = os.Remove(dir) // It stays if there is anything else in it.

	return nil
}
