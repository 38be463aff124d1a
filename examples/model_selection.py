"""Select a classifier for scikit-learn's handwritten digits, and publish it only if it is good enough.

Run it:  couler run examples/model_selection.py
Change:  couler run examples/model_selection.py --threshold 0.995

The data ship with scikit-learn; nothing is downloaded. The models are trained side by side; the report is an HTML
file with plots, and ``couler status`` shows where it is.
"""

import couler

LEARNING_PACKAGES = ["scikit-learn>=1.4"]
PLOT_PACKAGES = ["scikit-learn>=1.4", "matplotlib>=3.8"]


@couler.step(packages=LEARNING_PACKAGES)
def load(data: couler.OutFile = couler.out("digits.npz")) -> int:
    """Write the images and labels; return how many there are."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    np.savez_compressed(data, images=digits.data, labels=digits.target)
    return len(digits.target)


@couler.step(packages=LEARNING_PACKAGES)
def split(
    data: couler.InFile,
    test_share: float,
    seed: int,
    train: couler.OutFile = couler.out("train.npz"),
    test: couler.OutFile = couler.out("test.npz"),
) -> dict[str, int]:
    """Divide the data into a part to learn from and a part to judge by."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    content = np.load(data)
    images, labels = content["images"], content["labels"]
    parts = train_test_split(images, labels, test_size=test_share, random_state=seed, stratify=labels)
    np.savez_compressed(train, images=parts[0], labels=parts[2])
    np.savez_compressed(test, images=parts[1], labels=parts[3])
    return {"train": len(parts[2]), "test": len(parts[3])}


def build_model(kind: str, seed: int):
    """The model behind a name; this function travels with the step that calls it."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    models = {
        "svm": SVC(gamma=0.001, C=10),
        "forest": RandomForestClassifier(n_estimators=200, random_state=seed),
        "neighbours": KNeighborsClassifier(n_neighbors=3),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    }
    return models[kind]


@couler.step(packages=LEARNING_PACKAGES, cpu=1, retry=1, timeout="10m")
def train(kind: str, data: couler.InFile, seed: int, model: couler.OutFile = couler.out("model.pkl")) -> str:
    """Fit one model."""
    import pickle

    import numpy as np

    content = np.load(data)
    fitted = build_model(kind, seed).fit(content["images"], content["labels"])
    model.write_bytes(pickle.dumps(fitted))
    return kind


@couler.step(packages=LEARNING_PACKAGES)
def evaluate(
    kind: str, model: couler.InFile, data: couler.InFile, confusion: couler.OutFile = couler.out("confusion.json")
) -> dict[str, object]:
    """Judge one model by data that it has not seen."""
    import json
    import pickle

    import numpy as np
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    content = np.load(data)
    guesses = pickle.loads(model.read_bytes()).predict(content["images"])
    confusion.write_text(json.dumps(confusion_matrix(content["labels"], guesses).tolist()))
    return {
        "model": kind,
        "accuracy": round(float(accuracy_score(content["labels"], guesses)), 4),
        "f1": round(float(f1_score(content["labels"], guesses, average="macro")), 4),
    }


@couler.step
def select_best(scores: list[dict[str, object]]) -> dict[str, object]:
    """The score of the most accurate model."""
    return max(scores, key=lambda score: score["accuracy"])


@couler.step
def publish(
    best: dict[str, object],
    models: list[couler.InFile],
    names: list[str],
    chosen: couler.OutFile = couler.out("best.pkl"),
) -> str:
    """Hand out the model that was selected."""
    chosen.write_bytes(models[names.index(best["model"])].read_bytes())
    return f"published {best['model']} with accuracy {best['accuracy']}"


@couler.step
def keep_back(best: dict[str, object], threshold: float) -> str:
    """Say why nothing is published."""
    return f"kept back {best['model']}: accuracy {best['accuracy']} is below {threshold}"


@couler.step(packages=PLOT_PACKAGES)
def write_report(
    scores: list[dict[str, object]],
    confusions: list[couler.InFile],
    best: dict[str, object],
    decision: str,
    report: couler.OutFile = couler.out("report.html"),
) -> str:
    """One HTML page with the decision, the scores and two plots."""
    import base64
    import html
    import io
    import json

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    def picture(figure) -> str:
        memory = io.BytesIO()
        figure.savefig(memory, format="png", dpi=110, bbox_inches="tight")
        pyplot.close(figure)
        return f'<img alt="plot" src="data:image/png;base64,{base64.b64encode(memory.getvalue()).decode()}">'

    ranked = sorted(scores, key=lambda score: score["accuracy"])
    figure, axes = pyplot.subplots(figsize=(6, 2.6))
    bars = axes.barh([score["model"] for score in ranked], [score["accuracy"] for score in ranked], color="#3b6ea5")
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.set_xlim(0.9, 1.01)
    axes.set_xlabel("accuracy on unseen images")
    comparison = picture(figure)

    position = [score["model"] for score in scores].index(best["model"])
    matrix = json.loads(confusions[position].read_text())
    figure, axes = pyplot.subplots(figsize=(4, 4))
    axes.imshow(matrix, cmap="Blues")
    for row, counts in enumerate(matrix):
        for column, count in enumerate(counts):
            if count:
                axes.text(
                    column, row, count, ha="center", va="center", fontsize=7, color="white" if count > 20 else "black"
                )
    axes.set_xlabel("predicted digit")
    axes.set_ylabel("true digit")
    mistakes = picture(figure)

    rows = "".join(
        f"<tr><td>{html.escape(str(score['model']))}</td><td>{score['accuracy']}</td><td>{score['f1']}</td></tr>"
        for score in reversed(ranked)
    )
    report.write_text(
        "<!doctype html><meta charset=utf-8><title>Model selection</title>"
        "<style>body{font:16px system-ui;margin:2rem auto;max-width:46rem}"
        "td,th{padding:.2rem 1rem;text-align:left}</style>"
        f"<h1>Model selection</h1><p><b>{html.escape(decision)}</b></p>"
        f"<table><tr><th>model</th><th>accuracy</th><th>macro F1</th></tr>{rows}</table>{comparison}"
        f"<h2>Mistakes of {html.escape(str(best['model']))}</h2>{mistakes}",
        encoding="utf-8",
    )
    return decision


@couler.step
def tell_failure(status: str, failed: list[str]) -> str:
    """Stands for the message to whoever is on duty."""
    text = f"model selection {status}: {', '.join(failed)}"
    print(text)
    return text


@couler.workflow(name="model-selection")
def model_selection(
    models: list[str] = ["svm", "forest", "neighbours", "logistic"],  # noqa: B006 - read, never changed
    threshold: float = 0.95,
    test_share: float = 0.25,
    seed: int = 0,
):
    """Train several classifiers side by side, select the best, and publish it if it is good enough.

    Args:
        models: Which models to try: svm, forest, neighbours, logistic.
        threshold: Least accuracy for publishing.
        test_share: Share of the images that models are judged by.
        seed: Of everything random.
    """
    digits = load()
    parts = split(digits.data, test_share, seed)
    trained = train.map(models, data=parts.train, seed=seed)
    scores = evaluate.map(trained, trained.model, data=parts.test)
    best = select_best(scores)

    with couler.when(best["accuracy"] >= threshold):
        published = publish(best, trained.model, trained)
    with couler.otherwise():
        kept = keep_back(best, threshold)

    decision = couler.first_of(published, kept)
    page = write_report(scores, scores.confusion, best, decision)
    with couler.on_exit("failure"):
        tell_failure(couler.run_status(), couler.failed_steps())
    return {"best": best, "decision": decision, "report": page.report}


if __name__ == "__main__":
    print(model_selection.run().raise_for_status().outputs["decision"])
