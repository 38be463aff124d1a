package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v4/workflow/common"
	"github.com/argoproj/argo-workflows/v4/workflow/validate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Argo cuts a stream where a line starts with three dashes, even inside a block of text.
var separator = regexp.MustCompile(`\n---`)

var validated = map[string]bool{
	"Workflow": true, "WorkflowTemplate": true, "ClusterWorkflowTemplate": true, "CronWorkflow": true,
}

// document is one object of a line, or the reason why it could not be read.
type document struct {
	verdict Verdict
	object  metav1.Object
}

// library holds the templates of one group by namespace and name; those of the cluster have no namespace.
type library struct {
	templates map[string]*wfv1.WorkflowTemplate
	cluster   map[string]*wfv1.ClusterWorkflowTemplate
}

type namespaced struct {
	library   *library
	namespace string
}

func (n namespaced) Get(_ context.Context, name string) (*wfv1.WorkflowTemplate, error) {
	if found, ok := n.library.templates[n.namespace+"/"+name]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("workflowtemplates.argoproj.io %q not found", name)
}

type clusterWide struct{ library *library }

func (c clusterWide) Get(_ context.Context, name string) (*wfv1.ClusterWorkflowTemplate, error) {
	if found, ok := c.library.cluster[name]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("clusterworkflowtemplates.argoproj.io %q not found", name)
}

func validateAll(ctx context.Context, lines []Line, submit bool) []Verdict {
	libraries := map[string]*library{}
	var documents []document
	for _, line := range lines {
		if libraries[line.Group] == nil {
			libraries[line.Group] = &library{map[string]*wfv1.WorkflowTemplate{}, map[string]*wfv1.ClusterWorkflowTemplate{}}
		}
		parsed := parse(ctx, line)
		for _, document := range parsed {
			libraries[line.Group].add(document.object)
		}
		documents = append(documents, parsed...)
	}
	verdicts := make([]Verdict, len(documents))
	for i, document := range documents {
		verdict := document.verdict
		if verdict.Error == "" {
			if err := check(ctx, libraries[verdict.Group], document.object, submit); err != nil {
				verdict.Error = err.Error()
			}
		}
		verdict.OK = verdict.Error == ""
		verdicts[i] = verdict
	}
	return verdicts
}

// parse reads the objects of a line strictly: unknown and repeated fields are errors, and no document is passed over.
func parse(ctx context.Context, line Line) []document {
	var found []document
	fail := func(format string, args ...any) {
		found = append(found, document{verdict: Verdict{Name: line.Name, Group: line.Group, Error: fmt.Sprintf(format, args...)}})
	}
	for _, text := range texts(line) {
		var head metav1.TypeMeta
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
		for _, result := range common.ParseObjects(ctx, []byte(strings.TrimSpace(text)), true) {
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

func (l *library) add(object metav1.Object) {
	switch object := object.(type) {
	case *wfv1.WorkflowTemplate:
		l.templates[object.Namespace+"/"+object.Name] = object
	case *wfv1.ClusterWorkflowTemplate:
		l.cluster[object.Name] = object
	}
}

func check(ctx context.Context, l *library, object metav1.Object, submit bool) error {
	getter, cluster := namespaced{l, object.GetNamespace()}, clusterWide{l}
	options := validate.ValidateOpts{Lint: !submit, Submit: submit}
	switch object := object.(type) {
	case *wfv1.Workflow:
		return validate.ValidateWorkflow(ctx, getter, cluster, object, nil, options)
	case *wfv1.WorkflowTemplate:
		return validate.ValidateWorkflowTemplate(ctx, getter, cluster, object, nil, validate.ValidateOpts{Lint: true})
	case *wfv1.ClusterWorkflowTemplate:
		return validate.ValidateClusterWorkflowTemplate(ctx, getter, cluster, object, nil, validate.ValidateOpts{Lint: true})
	case *wfv1.CronWorkflow:
		return validate.ValidateCronWorkflow(ctx, getter, cluster, object, nil)
	}
	return fmt.Errorf("unexpected object %T", object)
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
