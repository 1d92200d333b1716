package docs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// TestBlocks: what people copy out of a document can be read: a block of YAML is YAML, and bash understands a block of shell. A block may
// be indented, as in a list.
func TestBlocks(t *testing.T) {
	t.Parallel()

	checked := map[string]int{}

	for path, content := range files(t, ".md") {
		for _, block := range fenced(content) {
			var err error

			switch block.language {
			case "yaml":
				err = readYAML(block.text)
			case "shell":
				err = readShell(t, block.text)
			default:
				continue
			}

			if checked[block.language]++; err != nil {
				t.Errorf("%s: %v in the block\n%s", path, err, block.text)
			}
		}
	}

	if checked["yaml"] < 10 || checked["shell"] < 10 {
		t.Errorf("checked %v: the search for blocks has gone wrong", checked)
	}
}

// block of a document, between fences.
type block struct{ language, text string }

func fenced(document string) (all []block) {
	var (
		current *block
		indent  string
	)

	for line := range strings.Lines(document) {
		text := strings.TrimLeft(line, " ")
		language, isFence := strings.CutPrefix(strings.TrimSpace(text), "```")

		switch {
		case isFence && current == nil:
			current, indent = &block{language: language}, line[:len(line)-len(text)]
		case isFence:
			all, current = append(all, *current), nil
		case current != nil:
			current.text += strings.TrimPrefix(line, indent)
		}
	}

	return all
}

func readYAML(text string) error {
	decoder := yaml.NewYAMLToJSONDecoder(strings.NewReader(text))

	for {
		var value any
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func readShell(t *testing.T, text string) error {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	command := exec.CommandContext(ctx, "bash", "-n")
	command.Stdin = strings.NewReader(text)

	output, err := command.CombinedOutput()
	if len(bytes.TrimSpace(output)) > 0 {
		return errors.New(string(output))
	}

	return err
}
