"""Listing 7 of the paper: two kinds of model trained side by side, and the better one selected."""

import couler


def train_forest():
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_score

    data = load_breast_cancer()
    print(cross_val_score(RandomForestClassifier(random_state=0), data.data, data.target, cv=3).mean())


def train_boosting():
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_score

    data = load_breast_cancer()
    print(cross_val_score(HistGradientBoostingClassifier(random_state=0), data.data, data.target, cv=3).mean())


SELECT = """
import sys

scores = dict(zip(("forest", "boosting"), map(float, sys.argv[1:])))
print(max(scores, key=scores.get))
"""

couler.config_workflow(name="automl")
forest, boosting = couler.concurrent(
    [
        lambda: couler.run_script(image="python:3.12", source=train_forest, step_name="train-forest"),
        lambda: couler.run_script(image="python:3.12", source=train_boosting, step_name="train-boosting"),
    ]
)
couler.run_script(image="python:3.12-alpine", source=SELECT, args=[forest, boosting], step_name="select")
couler.run()
