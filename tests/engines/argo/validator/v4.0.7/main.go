// Program validator gives the verdicts of Argo Workflows 4.0.
package main

import (
	"context"
	"fmt"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v4/util/logging"
	"github.com/argoproj/argo-workflows/v4/workflow/common"
	"github.com/argoproj/argo-workflows/v4/workflow/validate"

	"couler.example/shared"
)

type namespaced struct {
	library   shared.Library
	namespace string
}

func (n namespaced) Get(_ context.Context, name string) (*wfv1.WorkflowTemplate, error) {
	return shared.Find[*wfv1.WorkflowTemplate](n.library, "WorkflowTemplate", n.namespace, name)
}

type clusterWide struct{ library shared.Library }

func (c clusterWide) Get(_ context.Context, name string) (*wfv1.ClusterWorkflowTemplate, error) {
	return shared.Find[*wfv1.ClusterWorkflowTemplate](c.library, "ClusterWorkflowTemplate", "", name)
}

func main() {
	ctx := logging.WithLogger(context.Background(), logging.NewSlogLogger(logging.Error, logging.Text))
	shared.Main(shared.Argo{
		Parse: func(text []byte) []shared.Parsed { return parse(ctx, text) },
		Check: func(library shared.Library, object shared.Object, submit bool) error {
			return check(ctx, library, object, submit)
		},
		Evaluate: func(line shared.Line) shared.Verdict { return evaluate(ctx, line) },
	})
}

func parse(ctx context.Context, text []byte) []shared.Parsed {
	var found []shared.Parsed
	for _, result := range common.ParseObjects(ctx, text, true) {
		found = append(found, shared.Parsed{Object: result.Object, Err: result.Err})
	}
	return found
}

func check(ctx context.Context, library shared.Library, object shared.Object, submit bool) error {
	getter, cluster := namespaced{library, object.GetNamespace()}, clusterWide{library}
	lint := validate.ValidateOpts{Lint: true}
	switch object := object.(type) {
	case *wfv1.Workflow:
		return validate.ValidateWorkflow(ctx, getter, cluster, object, nil, validate.ValidateOpts{Lint: !submit, Submit: submit})
	case *wfv1.WorkflowTemplate:
		return validate.ValidateWorkflowTemplate(ctx, getter, cluster, object, nil, lint)
	case *wfv1.ClusterWorkflowTemplate:
		return validate.ValidateClusterWorkflowTemplate(ctx, getter, cluster, object, nil, lint)
	case *wfv1.CronWorkflow:
		return validate.ValidateCronWorkflow(ctx, getter, cluster, object, nil)
	}
	return fmt.Errorf("unexpected object %T", object)
}
