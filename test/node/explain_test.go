//go:build node

package node_test

import (
	"os"
	"testing"
)

// explain prints what helps to find out why a phase has failed.
func explain(t *testing.T) {
	t.Helper()

	if os.Getenv(pauseVariable) != "" {
		say("Waiting, as %s asks. KUBECONFIG=%s, process %d", pauseVariable, kubeconfig(), os.Getpid())
		select {}
	}

	t.Log(shell(t, `kubectl get pods --all-namespaces --output=wide
kubectl get events --namespace=keyturn-system --sort-by=.lastTimestamp | tail -n 30
for pod in $(kubectl get pods --namespace=keyturn-system --output=name); do
  echo "== $pod"; kubectl logs --namespace=keyturn-system --tail=5 "$pod" || true
done`))
}
