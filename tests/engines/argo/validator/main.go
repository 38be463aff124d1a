// Program validator gives the verdicts of Argo Workflows' own packages on documents that couler compiled.
//
//	validator [-submit] validate FILE...   one JSON line per object: name, kind, object, ok, error
//	validator [-submit] validate           the same for JSON lines {"name", "group", "text"} on standard input
//	validator read-yaml                    for each line {"name", "text"}: the documents as Kubernetes reads them
//	validator expr                         for each line {"name", "text", "scope", "strict"}: the text after
//	                                       substitution, and what it is worth as a `when`
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/argoproj/argo-workflows/v4/util/logging"
)

// Line is one request. Templates of a group are known to all documents of the group.
type Line struct {
	Name   string         `json:"name"`
	Group  string         `json:"group"`
	Text   string         `json:"text"`
	Scope  map[string]any `json:"scope"`
	Strict *bool          `json:"strict"`
}

// Verdict is one answer.
type Verdict struct {
	Name      string            `json:"name"`
	Group     string            `json:"group,omitempty"`
	Kind      string            `json:"kind,omitempty"`
	Object    string            `json:"object,omitempty"`
	OK        bool              `json:"ok"`
	Error     string            `json:"error"`
	Documents []json.RawMessage `json:"documents,omitempty"`
	Value     string            `json:"value,omitempty"`
	Runs      *bool             `json:"runs,omitempty"`
	WhenError string            `json:"when_error,omitempty"`
}

func main() {
	submit := flag.Bool("submit", false, "demand what the controller demands of a workflow that starts now")
	flag.Parse()
	lines, err := read(flag.Args()[min(1, flag.NArg()):])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx := logging.WithLogger(context.Background(), logging.NewSlogLogger(logging.Error, logging.Text))
	var verdicts []Verdict
	switch flag.Arg(0) {
	case "validate":
		verdicts = validateAll(ctx, lines, *submit)
	case "read-yaml":
		verdicts = each(lines, readYAML)
	case "expr":
		verdicts = each(lines, func(line Line) Verdict { return evaluate(ctx, line) })
	default:
		fmt.Fprintln(os.Stderr, "usage: validator [-submit] validate|read-yaml|expr [FILE...]")
		os.Exit(2)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, verdict := range verdicts {
		if err := out.Encode(verdict); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
}

func read(paths []string) ([]Line, error) {
	var lines []Line
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		lines = append(lines, Line{Name: path, Text: string(text)})
	}
	if len(paths) > 0 {
		return lines, nil
	}
	in := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	for in.More() {
		var line Line
		if err := in.Decode(&line); err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func each(lines []Line, answer func(Line) Verdict) []Verdict {
	verdicts := make([]Verdict, len(lines))
	for i, line := range lines {
		verdicts[i] = answer(line)
	}
	return verdicts
}
