package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/Knetic/govaluate"
	"github.com/argoproj/argo-workflows/v4/util/template"

	"couler.example/shared"
)

// evaluate substitutes a text as the controller does: strictly, as it does with the `when` and the arguments of a
// task, where unknown `tasks.` and `steps.` are errors; otherwise as in the bodies of templates, where whatever fails
// is left as it stands.
func evaluate(ctx context.Context, line shared.Line) shared.Verdict {
	verdict := shared.Verdict{Name: line.Name}
	if line.Scope == nil {
		line.Scope = map[string]any{}
	}
	quoted, err := json.Marshal(line.Text)
	if err != nil {
		verdict.Error = err.Error()
		return verdict
	}
	var replaced string
	if line.Strict == nil || *line.Strict {
		replaced, err = template.ReplaceStrictAny(ctx, string(quoted), line.Scope, []string{"tasks", "steps"})
	} else {
		replaced, err = template.Replace(ctx, string(quoted), line.Scope, true)
	}
	if err == nil {
		err = json.Unmarshal([]byte(replaced), &verdict.Value)
	}
	if err != nil {
		verdict.Error = err.Error()
		return verdict
	}
	verdict.OK = true
	if runs, err := proceeds(verdict.Value); err != nil {
		verdict.WhenError = err.Error()
	} else {
		verdict.Runs = &runs
	}
	return verdict
}

// proceeds decides a substituted `when` with the library and the rule that the controller uses: bare words are strings.
func proceeds(when string) (bool, error) {
	parsed, err := govaluate.NewEvaluableExpression(when)
	if err != nil {
		return false, err
	}
	tokens := parsed.Tokens()
	for i := range tokens {
		if tokens[i].Kind == govaluate.VARIABLE {
			tokens[i].Kind = govaluate.STRING
		}
	}
	words, err := govaluate.NewEvaluableExpressionFromTokens(tokens)
	if err != nil {
		return false, err
	}
	result, err := words.Evaluate(nil)
	if err != nil {
		return false, err
	}
	if answer, ok := result.(bool); ok {
		return answer, nil
	}
	return false, fmt.Errorf("expected a boolean, got %v", result)
}
