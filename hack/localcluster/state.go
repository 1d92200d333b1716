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

// state is what one run remembers for the next. Ports are preferences: one that has been taken is replaced.
type state struct {
	ControlPlane    controlplane.Ports `json:"controlPlane"`
	OperatorHealth  int                `json:"operatorHealth"`
	OperatorMetrics int                `json:"operatorMetrics"`
	LoginHealth     int                `json:"loginHealth"`
	// SamplesApplied says that the samples were made once; from then on they belong to whoever uses the cluster.
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

// forget removes what runs left in dir, and dir itself if nothing else is in it. A folder given by mistake loses
// nothing that is not ours, and one in use nothing at all.
func forget(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, lockFile)); errors.Is(err, os.ErrNotExist) {
		return nil // never used, or not ours
	}

	held, err := lock.Try(filepath.Join(dir, lockFile))
	if err != nil {
		return explainLock(err, dir)
	}
	defer held.Release()

	names := append([]string{stateFile, kubeconfigFile, personKubeconfigFile}, ownedByControlPlane...)
	for _, s := range servers() {
		names = append(names, s.kubeconfigFile())
	}

	for _, name := range append(names, lockFile) {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("forgetting the local cluster: %w", err)
		}
	}

	_ = os.Remove(dir) // stays if others keep something there

	return nil
}
