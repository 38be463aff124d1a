// Program validator gives the verdicts of Argo Workflows 3.6.
package main

import (
	"context"
	"fmt"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v3/workflow/common"
	"github.com/argoproj/argo-workflows/v3/workflow/validate"

	"couler.example/shared"
)

type namespaced struct {
	library   shared.Library
	namespace string
}

func (n namespaced) Get(name string) (*wfv1.WorkflowTemplate, error) {
	return shared.Find[*wfv1.WorkflowTemplate](n.library, "WorkflowTemplate", n.namespace, name)
}

type clusterWide struct{ library shared.Library }

func (c clusterWide) Get(name string) (*wfv1.ClusterWorkflowTemplate, error) {
	return shared.Find[*wfv1.ClusterWorkflowTemplate](c.library, "ClusterWorkflowTemplate", "", name)
}

func main() {
	shared.Main(shared.Argo{
		Parse: func(text []byte) []shared.Parsed { return parse(text) },
		Check: func(library shared.Library, object shared.Object, submit bool) error {
			return check(library, object, submit)
		},
	})
}

func parse(text []byte) []shared.Parsed {
	var found []shared.Parsed
	for _, result := range common.ParseObjects(text, true) {
		found = append(found, shared.Parsed{Object: result.Object, Err: result.Err})
	}
	return found
}

func check(library shared.Library, object shared.Object, submit bool) error {
	getter, cluster := namespaced{library, object.GetNamespace()}, clusterWide{library}
	lint := validate.ValidateOpts{Lint: true}
	switch object := object.(type) {
	case *wfv1.Workflow:
		return validate.ValidateWorkflow(getter, cluster, object, validate.ValidateOpts{Lint: !submit, Submit: submit})
	case *wfv1.WorkflowTemplate:
		return validate.ValidateWorkflowTemplate(getter, cluster, object, lint)
	case *wfv1.ClusterWorkflowTemplate:
		return validate.ValidateClusterWorkflowTemplate(getter, cluster, object, lint)
	case *wfv1.CronWorkflow:
		return validate.ValidateCronWorkflow(context.Background(), getter, cluster, object)
	}
	return fmt.Errorf("unexpected object %T", object)
}
