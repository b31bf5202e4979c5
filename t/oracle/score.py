#!/usr/bin/env python3
"""Compares sst2-score with scikit-learn, SciPy and NumPy on random predictions.

    BUILD=build python t/oracle/score.py

Prints TAP. Skips where one of the libraries is missing. Point estimates must agree to 1e-12, interval ends to the spread
that 10,000 draws leave.
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from scipy import stats
    from sklearn import metrics
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

TOOL = os.path.join(os.environ.get("BUILD", "build"), "bin", "sst2-score")
count = failed = 0


def check(good, name, note=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    if not good:
        print(f"# {note}")


def close(got, expected, tolerance, name):
    check(got is not None and abs(got - expected) <= tolerance, name, f"got {got}, expected {expected}")


def make(rng, n, k, skill, digits):
    """Gold labels and predictions; rounded probabilities make ties."""
    gold = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), gold] += skill
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if digits:
        probs = np.round(probs, digits) + 1e-6
        probs /= probs.sum(1, keepdims=True)
    return gold, probs.argmax(1), probs


def write(path, gold, pred, probs, order):
    with open(path, "w") as out:
        for i in order:
            row = {"idx": int(i), "label": int(gold[i])}
            row["pred"] = {"label": int(pred[i]), "probs": [float(p) for p in probs[i]]}
            out.write(json.dumps(row) + "\n")


def score(*arguments):
    run = subprocess.run([TOOL, "--json", *arguments], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"Bail out! {run.stderr}")
    return json.loads(run.stdout)


def ece(gold, pred, probs, bins=15):
    """Equal-mass bins, ties shared: written from the definition, with a sort over unique values."""
    n = len(gold)
    confidence = probs[np.arange(n), pred]
    values, group = np.unique(confidence, return_inverse=True)
    right = np.bincount(group, gold == pred) / np.bincount(group)
    order = np.argsort(confidence, kind="stable")
    which = np.arange(n) * bins // n
    gaps = np.bincount(which, right[group][order] - values[group][order], minlength=bins)
    return np.abs(gaps).sum() / n


def check_file(result, gold, pred, probs, name):
    k = probs.shape[1]
    close(result["accuracy"], metrics.accuracy_score(gold, pred), 1e-12, f"{name}: accuracy")
    close(result["macro_f1"], metrics.f1_score(gold, pred, average="macro"), 1e-12, f"{name}: macro-F1")
    close(result["mcc"], metrics.matthews_corrcoef(gold, pred), 1e-12, f"{name}: MCC")
    close(result["nll"], metrics.log_loss(gold, probs, labels=range(k)), 1e-12, f"{name}: NLL")
    close(result["brier"], ((probs - np.eye(k)[gold]) ** 2).sum(1).mean(), 1e-12, f"{name}: Brier")
    close(result["ece"], ece(gold, pred, probs), 1e-12, f"{name}: ECE")
    matrix = metrics.confusion_matrix(gold, pred, labels=range(k))
    check(result["confusion"] == matrix.tolist(), f"{name}: confusion matrix")
    table = metrics.precision_recall_fscore_support(gold, pred, labels=range(k), zero_division=np.nan)
    for class_, ours in enumerate(result["classes"]):
        for member, theirs in zip(("precision", "recall", "f1", "support"), table):
            if np.isnan(theirs[class_]):
                check(ours[member] is None, f"{name}: {member} of {class_} is undefined", ours)
            else:
                close(ours[member], theirs[class_], 1e-12, f"{name}: {member} of {class_}")


def check_interval(ours, values, name):
    """SciPy's percentile bootstrap of a mean: both ends vary by a few percent of the width, and by a row, with the seed."""
    theirs = stats.bootstrap((values,), np.mean, n_resamples=10000, method="percentile", random_state=1)
    low, high = theirs.confidence_interval
    tolerance = 0.06 * (high - low) + 1.01 / len(values)
    close(ours[0], low, tolerance, f"{name}: lower end")
    close(ours[1], high, tolerance, f"{name}: upper end")


def nll(gold, probs):
    return -np.log(probs[np.arange(len(gold)), gold])


def check_interval_of_mcc(ours, gold, pred, name):
    rng = np.random.default_rng(5)
    draws = []
    for _ in range(2000):
        rows = rng.integers(0, len(gold), len(gold))
        draws.append(metrics.matthews_corrcoef(gold[rows], pred[rows]))
    low, high = np.quantile(draws, [0.025, 0.975])
    close(ours[0], low, 0.1 * (high - low), f"{name}: MCC interval, lower end")
    close(ours[1], high, 0.1 * (high - low), f"{name}: MCC interval, upper end")


def compare(folder, rng, n, k, skill, digits):
    name = f"n={n} k={k} skill={skill} digits={digits}"
    gold, pred_a, probs_a = make(rng, n, k, skill, digits)
    noise = make(rng, n, k, 0, digits)[2] * np.where(rng.random((n, 1)) < 0.3, 1, 0.05)
    probs_b = probs_a + noise
    probs_b /= probs_b.sum(1, keepdims=True)
    pred_b = probs_b.argmax(1)
    a, b = os.path.join(folder, "a.ndjson"), os.path.join(folder, "b.ndjson")
    write(a, gold, pred_a, probs_a, range(n))
    write(b, gold, pred_b, probs_b, rng.permutation(n))
    result = score(a, b)
    check_file(result, gold, pred_a, probs_a, name + " A")
    check_file(result["other"], gold, pred_b, probs_b, name + " B")
    right_a, right_b = (pred_a == gold).astype(float), (pred_b == gold).astype(float)
    both = result["comparison"]
    close(both["accuracy_difference"], (right_b - right_a).mean(), 1e-12, f"{name}: difference of accuracy")
    close(both["nll_difference"], (nll(gold, probs_b) - nll(gold, probs_a)).mean(), 1e-12, f"{name}: difference of NLL")
    only_a, only_b = int((right_a > right_b).sum()), int((right_b > right_a).sum())
    check((both["mcnemar"]["b"], both["mcnemar"]["c"]) == (only_a, only_b), f"{name}: McNemar's table", both)
    if only_a + only_b:
        exact = stats.binomtest(only_a, only_a + only_b).pvalue
        point = stats.binom.pmf(min(only_a, only_b), only_a + only_b, 0.5)
        mid = exact - point if only_a != only_b else 1 - point / 2
        close(both["mcnemar"]["p"], exact, 1e-11, f"{name}: McNemar exact")
        close(both["mcnemar"]["mid_p"], mid, 1e-11, f"{name}: McNemar mid-p")
    if n >= 500:
        check_interval(result["accuracy_interval"], right_a, f"{name}: accuracy interval")
        check_interval(result["nll_interval"], nll(gold, probs_a), f"{name}: NLL interval")
        check_interval(both["accuracy_difference_interval"], right_b - right_a, f"{name}: accuracy difference")
        check_interval(both["nll_difference_interval"], nll(gold, probs_b) - nll(gold, probs_a), f"{name}: NLL difference")
        check_interval_of_mcc(result["mcc_interval"], gold, pred_a, name)


def main():
    rng = np.random.default_rng(20240229)
    with tempfile.TemporaryDirectory() as folder:
        for n, k, skill, digits in [(3, 2, 1, 0), (14, 2, 1, 0), (16, 3, 1, 0), (100, 2, 0, 1), (872, 2, 2.5, 0),
                                    (872, 2, 2.5, 1), (1821, 5, 1, 0), (5000, 3, 2, 2), (500, 30, 3, 0)]:
            compare(folder, rng, n, k, skill, digits)
    print(f"1..{count}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
