"""Writes crates/eval/tests/golden/metrics.json: what scikit-learn and scipy say about small made-up predictions.

Needs numpy, scipy and scikit-learn, nothing else; their versions stand in the output. Run from the repository root:

    python scripts/golden_metrics.py

Probabilities are decimals of at most four places. Every value is computed from the 32-bit floats that those
decimals parse to, as the Rust test does. Where scikit-learn has no answer the script has its own, written the
slow, obvious way: DeLong's variance from all pairs, calibration error from cut positions, McNemar's test from
whole numbers, one-vs-rest averages over the classes that have rows.
"""

import json
import math
import pathlib
import warnings
from fractions import Fraction

import numpy as np
import scipy
import sklearn
from scipy import optimize, special, stats
from sklearn import metrics as m
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier

warnings.filterwarnings("ignore")
OUT = pathlib.Path("crates/eval/tests/golden/metrics.json")
BINS = 15


def as_f32(decimals):
    return np.array(decimals, dtype=np.float64).astype(np.float32)


def number(value):
    """A float for the file; None where there is no value."""
    return None if value is None or not math.isfinite(value) else float(value)


def rounded(weights, places):
    """Rows of decimals that sum to 1 exactly, near the rows of weights."""
    unit = 10**places
    shares = weights / weights.sum(axis=1, keepdims=True) * unit
    whole = np.floor(shares).astype(int)
    for row, share in zip(whole, shares):
        for index in np.argsort(row - share, kind="stable")[: unit - row.sum()]:
            row[index] += 1
    return [[round(int(v) / unit, places) for v in row] for row in whole]


def delong_variance(scores, positive):
    """DeLong, DeLong & Clarke-Pearson (1988), from the matrix of all pairs."""
    x, y = scores[positive], scores[~positive]
    if len(x) < 2 or len(y) < 2:
        return None
    psi = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    return psi.mean(axis=1).var(ddof=1) / len(x) + psi.mean(axis=0).var(ddof=1) / len(y)


def calibration_error(p, y):
    """Of the top label."""
    return bin_error(p.max(axis=1), p.argmax(axis=1) == y)


def bin_error(confidence, right):
    """Bins cut at ranks floor(i * n / 15), a cut inside a run of ties moved to the run's end."""
    n = len(confidence)
    order = np.argsort(confidence, kind="stable")
    confidence, right = confidence[order], right[order]
    cuts = [i * n // BINS for i in range(1, BINS + 1)]
    ends = sorted({int(np.searchsorted(confidence, confidence[c - 1], side="right")) for c in cuts if c > 0})
    total, start = 0.0, 0
    for end in ends:
        gap = abs(right[start:end].mean() - confidence[start:end].mean())
        total, start = total + (end - start) / n * gap, end
    return total


def one_vs_rest(score, p, y):
    """The score of each class against the rest; None where it has no rows or all of them."""
    held = [0 < (y == c).sum() < len(y) for c in range(p.shape[1])]
    return [score((y == c).astype(int), p[:, c]) if held[c] else None for c in range(p.shape[1])]


def mean(values):
    values = [v for v in values if v is not None]
    return np.mean(values) if values else None


def single(name, p, y, positive=None):
    """One case: probabilities as decimals [rows][classes], labels, and what is expected of them."""
    classes = len(p[0])
    p32, y = as_f32(p), np.array(y)
    p64, predicted = p32.astype(np.float64), p32.argmax(axis=1)
    positive = (1 if positive is None else positive) if classes == 2 else None
    expect = {
        "accuracy": m.accuracy_score(y, predicted),
        "balanced_accuracy": m.balanced_accuracy_score(y, predicted),
        "mcc": m.matthews_corrcoef(y, predicted),
        "log_loss": m.log_loss(y, p64, labels=range(classes)),
        "ece": calibration_error(p64, y),
    }
    for average in ("macro", "micro", "weighted"):
        scores = m.precision_recall_fscore_support(y, predicted, average=average, zero_division=0)
        expect |= {f"{average}_{what}": score for what, score in zip(("precision", "recall", "f1"), scores)}
    aucs, averages = one_vs_rest(m.roc_auc_score, p64, y), one_vs_rest(m.average_precision_score, p64, y)
    curves = {}
    if classes == 2:
        hit, score = (y == positive).astype(int), p64[:, positive]
        expect |= {"auc": aucs[positive], "pr_auc": averages[positive]}
        expect["brier"] = m.brier_score_loss(hit, score, pos_label=1)
        expect["delong_variance"] = delong_variance(score, hit == 1)
        if 0 < hit.sum() < len(y) <= 40:
            fpr, tpr, _ = m.roc_curve(hit, score)
            precision, recall, _ = m.precision_recall_curve(hit, score)
            curves = {
                "roc": [fpr.tolist(), tpr.tolist()],
                "pr": [recall[::-1].tolist(), precision[::-1].tolist()],
            }
    else:
        expect |= {"auc": mean(aucs), "pr_auc": mean(averages)}
        expect["brier"] = m.brier_score_loss(y, p64, labels=range(classes))
        if len(set(y.tolist())) == classes:
            whole = m.roc_auc_score(y, p64, multi_class="ovr", average="macro")
            assert abs(whole - expect["auc"]) < 1e-12, name
            whole = m.average_precision_score(y, p64, average="macro")
            assert abs(whole - expect["pr_auc"]) < 1e-12, name
    precision, recall, f1, support = m.precision_recall_fscore_support(
        y, predicted, labels=range(classes), zero_division=0
    )
    return {
        "name": name,
        "positive": positive,
        "p": p,
        "y": y.tolist(),
        "expect": {key: number(value) for key, value in expect.items()},
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": support.tolist(),
        "class_auc": [number(v) if v is not None else None for v in aucs],
        "confusion": m.confusion_matrix(y, predicted, labels=range(classes)).tolist(),
    } | curves


def drawn(rng, rows, classes, skill=2.0, places=3, prior=None, absent=()):
    """Labels from a prior, probabilities that lean towards them."""
    prior = np.ones(classes) if prior is None else np.array(prior, dtype=float)
    prior[list(absent)] = 0
    y = rng.choice(classes, size=rows, p=prior / prior.sum())
    logits = rng.normal(size=(rows, classes))
    logits[np.arange(rows), y] += skill
    return rounded(np.exp(logits), places), y.tolist()


def one_hot(indices, classes, high=1.0):
    rest = round((1 - high) / (classes - 1), 4)
    return [[high if c == i else rest for c in range(classes)] for i in indices]


def single_cases(rng):
    for rows in (2, 7, 15, 16, 40, 90):
        p, y = drawn(rng, rows, 2)
        y[0], y[1] = 0, 1
        yield single(f"binary, {rows} rows", p, y)
    for positive in (0, 1):
        p, y = drawn(rng, 40, 2, skill=1.0)
        yield single(f"binary, positive {positive}", p, y, positive)
    for places in (1, 2):
        p, y = drawn(rng, 60, 2, skill=1.0, places=places)
        yield single(f"binary, ties at {places} places", p, y)
    p, y = drawn(rng, 80, 2, prior=[0.95, 0.05])
    y[3] = y[4] = 1
    yield single("binary, unbalanced", p, y)
    p, y = drawn(rng, 30, 2)
    yield single("binary, one positive row", p, [int(i == 4) for i in range(30)])
    yield single("binary, one negative row", p, [int(i != 4) for i in range(30)])
    yield single("binary, only positives", p, [1] * 30)
    yield single("binary, only negatives", p, [0] * 30)
    yield single("binary, one row right", [[0.25, 0.75]], [1])
    yield single("binary, one row wrong", [[0.25, 0.75]], [0])
    y = [0, 1] * 10
    yield single("binary, perfect", one_hot(y, 2, 0.9), y)
    yield single("binary, perfect and certain", one_hot(y, 2), y)
    yield single("binary, all wrong", one_hot([1 - v for v in y], 2, 0.8), y)
    yield single("binary, all wrong and certain", one_hot([1 - v for v in y], 2), y)
    yield single("binary, constant at one half", [[0.5, 0.5]] * 20, y)
    yield single("binary, constant off one half", [[0.3, 0.7]] * 20, y)
    yield single("binary, separated but never predicted", [[0.9, 0.1], [0.7, 0.3]] * 5, y[:10])
    p, y = drawn(rng, 40, 2)
    p[:8] = one_hot([0, 1, 0, 1, 0, 1, 0, 1], 2)
    yield single("binary, some at 0 and 1", p, y)
    near = [[0.0001, 0.9999], [0.9999, 0.0001], [0.0001, 0.9999]]
    yield single("binary, next to 0 and 1", near * 5, [0, 0, 1] * 5)
    p, y = drawn(rng, 200, 2, skill=0.7, places=2)
    yield single("binary, 200 rows", p, y)

    for classes in (3, 4, 5, 7, 10):
        p, y = drawn(rng, 12 * classes, classes)
        yield single(f"{classes} classes", p, y)
    p, y = drawn(rng, 60, 3, skill=0.0)
    yield single("3 classes, no skill", p, y)
    p, y = drawn(rng, 60, 4, places=1)
    yield single("4 classes, ties", p, y)
    p, y = drawn(rng, 60, 4, prior=[0.85, 0.1, 0.03, 0.02])
    yield single("4 classes, unbalanced", p, y)
    p, y = drawn(rng, 40, 4, absent=[2])
    yield single("4 classes, one without rows", p, y)
    p, y = drawn(rng, 40, 5, absent=[0, 4])
    yield single("5 classes, first and last without rows", p, y)
    p, y = drawn(rng, 30, 10, absent=range(2, 10))
    yield single("10 classes, rows of two", p, y)
    p, y = drawn(rng, 20, 4, absent=[0, 1, 3])
    yield single("4 classes, rows of one", p, y)
    p, y = drawn(rng, 40, 3)
    p = [[a, b + c, 0.0] if b + c < 1 else [a, 1 - a, 0.0] for a, b, c in p]
    p = [[round(v, 3) for v in row] for row in p]
    yield single("3 classes, one never predicted", p, y)
    p, y = drawn(rng, 40, 4, absent=[3])
    p = [[round(a + d, 3), b, c, 0.0] for a, b, c, d in p]
    yield single("4 classes, one neither labelled nor predicted", p, y)
    p, y = drawn(rng, 8, 8)
    yield single("8 classes, one row each", p, list(range(8)))
    yield single("3 classes, one row", [[0.2, 0.5, 0.3]], [2])
    y = [0, 1, 2] * 6
    yield single("3 classes, perfect", one_hot(y, 3, 0.8), y)
    yield single("3 classes, perfect and certain", one_hot(y, 3), y)
    yield single("3 classes, all wrong", one_hot([(v + 1) % 3 for v in y], 3, 0.8), y)
    yield single("3 classes, all wrong and certain", one_hot([(v + 1) % 3 for v in y], 3), y)
    yield single("4 classes, constant", [[0.25] * 4] * 16, [0, 1, 2, 3] * 4)
    yield single("4 classes, one always predicted", [[0.1, 0.6, 0.2, 0.1]] * 16, [0, 1, 2, 3] * 4)
    p, y = drawn(rng, 30, 3)
    p[:9] = one_hot(y[:6] + [0, 1, 2], 3)
    yield single("3 classes, some at 0 and 1", p, y)


def multilabel(name, p, truth, thresholds):
    p32, truth = as_f32(p), np.array(truth)
    called = (p32 >= as_f32(thresholds)).astype(int)
    p64 = p32.astype(np.float64)
    held = [label for label in range(truth.shape[1]) if 0 < truth[:, label].sum() < len(truth)]
    expect = {
        "subset_accuracy": m.accuracy_score(truth, called),
        "hamming_loss": m.hamming_loss(truth, called),
        "mean_average_precision": mean([m.average_precision_score(truth[:, c], p64[:, c]) for c in held]),
        "auc": mean([m.roc_auc_score(truth[:, c], p64[:, c]) for c in held]),
    }
    for average in ("micro", "macro", "weighted"):
        scores = m.precision_recall_fscore_support(truth, called, average=average, zero_division=0)
        expect |= {f"{average}_{what}": score for what, score in zip(("precision", "recall", "f1"), scores)}
    expect["samples_f1"] = m.f1_score(truth, called, average="samples", zero_division=0)
    flat, scores = truth.ravel(), p64.ravel()
    expect["micro_auc"] = m.roc_auc_score(flat, scores) if 0 < flat.sum() < flat.size else None
    columns = range(truth.shape[1])
    expect["log_loss"] = np.mean([m.log_loss(truth[:, c], p64[:, c], labels=[0, 1]) for c in columns])
    expect["brier"] = np.mean([m.brier_score_loss(truth[:, c], p64[:, c], pos_label=1) for c in columns])
    expect["ece"] = bin_error(scores, flat == 1)
    aucs = [m.roc_auc_score(truth[:, c], p64[:, c]) if c in held else None for c in columns]
    precision, recall, f1, support = m.precision_recall_fscore_support(truth, called, zero_division=0)
    return {
        "name": name,
        "p": p,
        "truth": truth.tolist(),
        "thresholds": thresholds,
        "expect": {key: number(value) if value is not None else None for key, value in expect.items()},
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": support.tolist(),
        "label_auc": [number(v) for v in aucs],
    }


def multilabel_cases(rng):
    for rows, labels, share in ((30, 3, 0.4), (40, 5, 0.1), (6, 4, 0.7)):
        truth = (rng.random((rows, labels)) < share).astype(int)
        p = np.round(1 / (1 + np.exp(-rng.normal(size=truth.shape) - 2 * truth + 1)), 2).tolist()
        yield multilabel(f"{labels} labels, {rows} rows", p, truth, [0.5] * labels)
        own = [0.3, 0.5, 0.62, 0.7, 0.2][:labels]
        yield multilabel(f"{labels} labels, {rows} rows, own thresholds", p, truth, own)
    truth = [[1, 0, 0], [1, 0, 1], [1, 0, 0], [1, 0, 1]]
    p = [[0.9, 0.1, 0.5], [0.4, 0.6, 0.5], [0.7, 0, 0.2], [1, 0.2, 0.8]]
    yield multilabel("a label always, one never", p, truth, [0.5] * 3)
    for rows, labels, share in ((60, 4, 0.15), (25, 6, 0.05)):
        truth = (rng.random((rows, labels)) < share).astype(int)
        truth[: rows // 3] = 0
        p = np.round(1 / (1 + np.exp(-rng.normal(size=truth.shape) - 2 * truth + 1.5)), 1).tolist()
        yield multilabel(f"{labels} labels, a third of {rows} rows without any, ties", p, truth, [0.4] * labels)
    yield multilabel("one row", [[0.9, 0.4, 0.6]], [[1, 1, 0]], [0.5] * 3)
    yield multilabel("one row without labels", [[0.1, 0.7]], [[0, 0]], [0.5] * 2)
    yield multilabel("constant", [[0.5, 0.3]] * 6, [[1, 0], [0, 1], [0, 0]] * 2, [0.5] * 2)
    yield multilabel("all wrong and certain", [[1, 0], [0, 1]], [[0, 1], [1, 0]], [0.5] * 2)
    yield multilabel("thresholds at 0 and 1", [[0.0, 1.0], [0.3, 0.9]], [[1, 0], [0, 1]], [0.0, 1.0])
    yield multilabel("nothing true or called", [[0.1, 0.2]] * 3, [[0, 0]] * 3, [0.5] * 2)
    yield multilabel("perfect", [[0.9, 0.1], [0.2, 0.8], [0.7, 0.9]], [[1, 0], [0, 1], [1, 1]], [0.5] * 2)


def regression(name, truth, predicted):
    truth, predicted = np.array(truth, dtype=float), np.array(predicted, dtype=float)
    varied = len(set(truth.tolist())) > 1
    both = varied and len(set(predicted.tolist())) > 1
    expect = {
        "mae": m.mean_absolute_error(truth, predicted),
        "rmse": m.root_mean_squared_error(truth, predicted),
        "r2": m.r2_score(truth, predicted) if varied else None,
        "pearson": stats.pearsonr(truth, predicted).statistic if both else None,
        "spearman": stats.spearmanr(truth, predicted).statistic if both else None,
        "max_error": m.max_error(truth, predicted),
    }
    return {
        "name": name,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "expect": {key: number(value) for key, value in expect.items()},
    }


def regression_cases(rng):
    for rows in (2, 3, 10, 60):
        truth = np.round(rng.normal(3, 2, rows), 2)
        yield regression(f"{rows} rows", truth, np.round(truth + rng.normal(0, 1, rows), 2))
    truth = rng.integers(1, 6, 80)
    yield regression("ties in the truth", truth, np.round(truth + rng.normal(0, 1, 80), 2))
    yield regression("ties in both", truth, np.clip(np.round(truth + rng.normal(0, 1, 80)), 1, 5))
    yield regression("perfect", [1, 2, 5, 3], [1, 2, 5, 3])
    yield regression("the wrong way round", [1, 2, 3, 4], [4, 3, 2, 1])
    yield regression("constant predictions", [1, 2, 5, 3], [2.5] * 4)
    yield regression("constant truth", [2.5] * 4, [1, 2, 5, 3])
    yield regression("constant and right", [2.5] * 4, [2.5] * 4)
    yield regression("one row", [2.0], [3.5])
    yield regression("large and far from 0", 1e6 + np.arange(20.0), 1e6 + np.round(np.arange(20) * 1.1, 1))
    yield regression("one outlier", [0.1, 0.2, 0.3, 0.4], [0.1, 0.3, 0.2, 90])


def threshold(name, scores, positive, fprs):
    """Best thresholds by trying each score, and true positive rates by roc_curve."""
    s32, positive = as_f32(scores), np.array(positive)
    best = {"f1": 0, "mcc": -1}
    for t in sorted(set(s32.tolist())):
        called = s32 >= t
        best["f1"] = max(best["f1"], m.f1_score(positive, called, zero_division=0))
        best["mcc"] = max(best["mcc"], m.matthews_corrcoef(positive, called))
    fpr, tpr, _ = m.roc_curve(positive, s32, drop_intermediate=False)
    precision, recall, _ = m.precision_recall_curve(positive, s32)
    return {
        "name": name,
        "scores": scores,
        "positive": positive.tolist(),
        "best_f1": best["f1"],
        "best_mcc": best["mcc"],
        "recall_at_precision": [[p, recall[:-1][precision[:-1] >= p].max(initial=0)] for p in (0.5, 0.8, 0.95)],
        "tpr_at_fpr": [[f, tpr[fpr <= f].max()] for f in fprs],
    }


def threshold_cases(rng):
    for places, negatives, skill in ((3, 200, 1.5), (2, 400, 1.0), (1, 300, 2.0), (2, 1200, 2.5)):
        positive = np.array([1] * 80 + [0] * negatives)
        scores = np.round(1 / (1 + np.exp(-rng.normal(size=len(positive)) - skill * (positive - 0.5))), places)
        fprs = [f for f in (0.2, 0.05, 0.01) if 10 / f <= negatives]
        yield threshold(f"{places} places, {negatives} negatives", scores.tolist(), positive.tolist(), fprs)


def temperature(name, logits, y):
    """By scipy, over the inverse temperature; the loss is convex in it."""
    z, y = as_f32(logits).astype(np.float64), np.array(y)
    loss = lambda b: np.mean(special.logsumexp(b * z, axis=1) - b * z[np.arange(len(y)), y])
    found = optimize.minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-10})
    return {"name": name, "logits": logits, "y": y.tolist(), "temperature": 1 / found.x, "loss": found.fun}


def temperature_cases(rng):
    for classes, scale in ((2, 3.0), (4, 0.5), (7, 10.0)):
        y = rng.integers(0, classes, 60)
        logits = rng.normal(size=(60, classes)) * scale
        logits[np.arange(60), y] += scale
        yield temperature(f"{classes} classes", np.round(logits, 2).tolist(), y.tolist())


WORDS = "the bank card Top-up was  lost found TODAY naïve Ärger 東京 refund transfer please why pending fee".split(" ")


def floor(rng):
    """The n-gram floor's models, fitted to the end, on made-up texts."""
    texts = [" ".join(rng.choice(WORDS, rng.integers(3, 9))) for _ in range(60)]
    features = TfidfVectorizer(analyzer="char", ngram_range=(2, 4), sublinear_tf=True, min_df=2)
    x = features.fit_transform(texts)
    lr = lambda: LogisticRegression(C=10, max_iter=100_000, tol=1e-9)
    two = [int("bank" in t) for t in texts]
    four = [2 * int("fee" in t) + int("card" in t) for t in texts]
    labels = [[int(w in t) for w in ("lost", "fee", "please")] for t in texts]
    values = [float(len(t.split())) for t in texts]
    return {
        "texts": texts,
        "features": x.shape[1],
        "two": {"y": two, "p": lr().fit(x, two).predict_proba(x).round(6).tolist()},
        "four": {"y": four, "p": lr().fit(x, four).predict_proba(x).round(6).tolist()},
        "labels": {
            "y": labels,
            "p": OneVsRestClassifier(lr()).fit(x, np.array(labels)).predict_proba(x).round(6).tolist(),
        },
        "values": {"y": values, "p": Ridge(alpha=1, tol=1e-9).fit(x, values).predict(x).round(6).tolist()},
    }


def mcnemar(a, b):
    n, k = a + b, min(a, b)
    tail = Fraction(sum(math.comb(n, i) for i in range(k + 1)), 2**n)
    return {"a": a, "b": b, "p": float(min(Fraction(1), 2 * tail))}


# Rows that only the one and only the other model predicts right.
PAIRS = [(0, 0), (0, 1), (1, 1), (3, 0), (0, 10), (5, 5), (4, 9), (21, 7), (100, 140), (900, 1100), (1000, 1)]
PAIRS += [(1500, 1501), (1500, 1700), (3000, 3100)]


def main():
    rng = np.random.default_rng(20240501)
    document = {
        "made_with": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
        "single": list(single_cases(rng)),
        "multilabel": list(multilabel_cases(rng)),
        "regression": list(regression_cases(rng)),
        "threshold": list(threshold_cases(rng)),
        "temperature": list(temperature_cases(rng)),
        "floor": floor(rng),
        "mcnemar": [mcnemar(a, b) for a, b in PAIRS],
    }
    parts = []
    for key, value in document.items():
        if isinstance(value, list):
            rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
            parts.append(f"{json.dumps(key)}:[\n{rows}\n]")
        else:
            parts.append(f"{json.dumps(key)}:{json.dumps(value)}")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("{\n" + ",\n".join(parts) + "\n}\n")
    cases = sum(len(value) for value in document.values() if isinstance(value, list))
    print(f"{OUT}: {cases} cases, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
