package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/keyturn/keyturn/internal/controllerserver"
)

// TestStartOfAServerThatBeginsAnew: the metric of the start tells that the program has begun anew. That of the process does not, since it is the same one.
//
// The test runs itself as a program, which prints its metrics, begins anew, and prints them again.
func TestStartOfAServerThatBeginsAnew(t *testing.T) {
	const begunBefore = "KEYTURN_TEST_BEGUN_BEFORE"
	switch os.Getenv(begunBefore) {
	case "no":
		printStart(t)
		t.Setenv(begunBefore, "yes")
		t.Fatal(controllerserver.BeginAnew(t.Context(), errors.New("the lease is lost")))
	case "yes":
		printStart(t)
		return
	}
	program := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	program.Env = append(os.Environ(), begunBefore+"=no")
	output, err := program.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	starts, processStarts := printed(t, "keyturn_directory_start_time_seconds", output), printed(t, "process_start_time_seconds", output)
	if len(starts) != 2 || starts[1] <= starts[0] {
		t.Errorf("the starts are %f", starts)
	}
	if len(processStarts) != 2 || processStarts[0] != processStarts[1] {
		t.Errorf("the process has started at %f: is it the same one?", processStarts)
	}
}

func printStart(t *testing.T) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registerStart(registry, time.Now())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		fmt.Printf("%s %f\n", family.GetName(), family.GetMetric()[0].GetGauge().GetValue())
	}
}

// printed returns the values of a metric that printStart has printed.
func printed(t *testing.T, name string, output []byte) (values []float64) {
	t.Helper()
	for line := range strings.Lines(string(output)) {
		text, found := strings.CutPrefix(line, name+" ")
		if !found {
			continue
		}
		var value float64
		if _, err := fmt.Sscan(text, &value); err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	return values
}
