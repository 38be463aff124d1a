package shared

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// Argo cuts a stream where a line starts with three dashes, even inside a block of text.
var separator = regexp.MustCompile(`\n---`)

var validated = map[string]bool{
	"Workflow": true, "WorkflowTemplate": true, "ClusterWorkflowTemplate": true, "CronWorkflow": true,
}

// Object is any object of Kubernetes.
type Object interface {
	GetNamespace() string
	GetName() string
	GetGenerateName() string
}

// Parsed is an object, or the reason why it could not be read.
type Parsed struct {
	Object Object
	Err    error
}

// Library holds the objects of one group by their places.
type Library map[string]Object

// Find gives the object of a kind; those of the cluster have no namespace.
func Find[T Object](library Library, kind, namespace, name string) (T, error) {
	found, ok := library[place(kind, namespace, name)].(T)
	if !ok {
		return found, fmt.Errorf("%ss.argoproj.io %q not found", strings.ToLower(kind), name)
	}
	return found, nil
}

func place(kind, namespace, name string) string {
	return kind + "/" + namespace + "/" + name
}

// document is one object of a line, or the reason why it could not be read.
type document struct {
	verdict Verdict
	object  Object
}

func validateAll(argo Argo, lines []Line, submit bool) []Verdict {
	libraries := map[string]Library{}
	var documents []document
	for _, line := range lines {
		if libraries[line.Group] == nil {
			libraries[line.Group] = Library{}
		}
		for _, document := range parse(argo, line) {
			if object := document.object; object != nil {
				libraries[line.Group][place(document.verdict.Kind, object.GetNamespace(), object.GetName())] = object
			}
			documents = append(documents, document)
		}
	}
	verdicts := make([]Verdict, len(documents))
	for i, document := range documents {
		verdict := document.verdict
		if verdict.Error == "" {
			if err := argo.Check(libraries[verdict.Group], document.object, submit); err != nil {
				verdict.Error = err.Error()
			}
		}
		verdict.OK = verdict.Error == ""
		verdicts[i] = verdict
	}
	return verdicts
}

// parse reads the objects of a line: unknown and repeated fields are errors, and no document is passed over.
func parse(argo Argo, line Line) []document {
	var found []document
	fail := func(format string, args ...any) {
		found = append(found, document{verdict: Verdict{Name: line.Name, Group: line.Group, Error: fmt.Sprintf(format, args...)}})
	}
	for _, text := range texts(line) {
		var head struct{ Kind string }
		data, err := toJSON(text)
		if err == nil {
			err = json.Unmarshal(data, &head)
		}
		if err != nil {
			fail("cannot be read as YAML: %v", err)
			continue
		}
		if !validated[head.Kind] {
			continue
		}
		for _, result := range argo.Parse([]byte(strings.TrimSpace(text))) {
			verdict := Verdict{Name: line.Name, Group: line.Group, Kind: head.Kind}
			if result.Object != nil {
				verdict.Object = result.Object.GetName() + result.Object.GetGenerateName()
			}
			if result.Err != nil {
				verdict.Error = result.Err.Error()
			}
			found = append(found, document{verdict, result.Object})
		}
	}
	if len(found) == 0 {
		fail("holds no Workflow, WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow")
	}
	return found
}

// texts cuts a line into documents; JSON is one.
func texts(line Line) []string {
	if json.Valid([]byte(line.Text)) {
		return []string{line.Text}
	}
	return separator.Split("\n"+line.Text, -1)
}

func toJSON(text string) ([]byte, error) {
	if json.Valid([]byte(text)) {
		return []byte(text), nil
	}
	return yaml.YAMLToJSONStrict([]byte(text))
}

func readYAML(line Line) Verdict {
	verdict := Verdict{Name: line.Name}
	for _, text := range texts(line) {
		data, err := toJSON(text)
		if err != nil {
			verdict.Error = err.Error()
			return verdict
		}
		if string(data) != "null" {
			verdict.Documents = append(verdict.Documents, data)
		}
	}
	verdict.OK = true
	return verdict
}
