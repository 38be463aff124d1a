// Package shared is a program that gives the verdicts of one version of Argo Workflows on documents that couler
// compiled; each version has a main package of its own beside this one.
//
//	validator [-submit] validate FILE...   one JSON line per object: name, kind, object, ok, error
//	validator [-submit] validate           the same for JSON lines {"name", "group", "text"} on standard input
//	validator read-yaml                    for each line {"name", "text"}: the documents as Kubernetes reads them
//	validator expr                         for each line {"name", "text", "scope", "strict"}: the text after
//	                                       substitution, and what it is worth as a `when`
package shared

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
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

// Argo is what one version of it does.
type Argo struct {
	// Parse reads the objects of a text strictly.
	Parse func(text []byte) []Parsed
	// Check validates an object among the templates of its library.
	Check func(library Library, object Object, submit bool) error
	// Evaluate substitutes a text; nil where nobody asks this version for it.
	Evaluate func(line Line) Verdict
}

// Main is the whole program.
func Main(argo Argo) {
	submit := flag.Bool("submit", false, "demand what the controller demands of a workflow that starts now")
	flag.Parse()
	lines, err := read(flag.Args()[min(1, flag.NArg()):])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var verdicts []Verdict
	switch verb := flag.Arg(0); {
	case verb == "validate":
		verdicts = validateAll(argo, lines, *submit)
	case verb == "read-yaml":
		verdicts = each(lines, readYAML)
	case verb == "expr" && argo.Evaluate != nil:
		verdicts = each(lines, argo.Evaluate)
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
